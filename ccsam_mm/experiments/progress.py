# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The lines that a running sweep prints."""

from datetime import timedelta
from pathlib import Path
from typing import Optional

from .results import SweepResults
from .tables import best_row, mean_and_deviation, values_of

LAST_LINES = 12


def standing(results: SweepResults, baseline: Optional[str]) -> str:
    """Write the best row so far and the baseline in one line.

    Args:
        results (SweepResults): The results so far.
        baseline (str, optional): The row to compare with.

    Returns:
        str: `` | best ROW: MEAN ± DEVIATION (SEEDS)``, the same of the baseline; empty
        without results and baseline.
    """
    select, text = results.select, ''
    best = best_row(results.lines, results.rows, select)
    for row in filter(None, dict.fromkeys([best, baseline])):
        values = values_of(results.lines, row, select['stage'], select['metric'])
        text += f' | {"best" if row == best else "baseline"} {row}: '
        text += f'{mean_and_deviation(list(values.values()))} ({len(values)})'
    return text


def last_lines(work_dir: str, tool: str) -> str:
    """Indent the end of a log, to print it below a failure.

    Args:
        work_dir (str): The work directory.
        tool (str): 'train' or 'test'.

    Returns:
        str: The last lines; empty without a log, which a cluster may not have written.
    """
    log = Path(work_dir, f'{tool}.log')
    lines = log.read_text(errors='replace').splitlines() if log.is_file() else []
    return '\n'.join(f'    {line}' for line in lines[-LAST_LINES:])


def duration(seconds: Optional[float]) -> str:
    """Write seconds as hours, minutes and seconds.

    Args:
        seconds (float, optional): The seconds, or None where they are unknown.

    Returns:
        str: The duration, or ``?``.

    Examples:
        >>> from ccsam_mm.experiments.progress import duration
        >>> duration(61.2), duration(None)
        ('0:01:01', '?')
    """
    return '?' if seconds is None else str(timedelta(seconds=round(seconds)))
