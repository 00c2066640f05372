# Copyright (c) ccsam_mm contributors. All rights reserved.
"""First stages by second stages: a table of a sweep whose rows are such pairs."""

import statistics
from typing import List

from ccsam_mm.utils.tables import align_table

from .tables import best_row, mean_and_deviation, values_of

# A row 'FIRST+SECOND' has a second stage, a row 'FIRST' has none.
_JOINT = '+'
_NONE = 'no second stage'


def pair_table(lines: List[dict], rows: List[str], stage: str, select: dict) -> str:
    """Lay out the metric of pairs of stages as a Markdown table.

    Args:
        lines (list[dict]): The JSON lines.
        rows (list[str]): The rows, such as ``'ce'`` and ``'ce+crt'``.
        stage (str): The stage to show, or ``test``.
        select (dict): ``metric`` and ``rule`` of the sweep; the best value is bold.

    Returns:
        str: A line per first stage and a column per second stage, with means and
        deviations over the seeds; ``-`` where a pair was not measured. Empty if no row
        is a pair.

    Examples:
        >>> from ccsam_mm.experiments import pair_table
        >>> lines = [
        ...     dict(row=row, seed=0, test={'top1': value}, stages={})
        ...     for row, value in (('ce', 40.0), ('ce+crt', 43.0), ('sam', 41.0))]
        >>> select = dict(metric='top1', stage='last', rule='greater')
        >>> print(pair_table(lines, ['ce', 'ce+crt', 'sam'], 'test', select))
        |     | no second stage |      crt |
        |-----|----------------:|---------:|
        | ce  |            40.0 | **43.0** |
        | sam |            41.0 |        - |
    """
    pairs = {row: row.partition(_JOINT)[::2] for row in rows}
    if not any(second for _, second in pairs.values()):
        return ''
    best = best_row(lines, rows, dict(select, stage=stage))
    cells = {}
    for row, pair in pairs.items():
        values = list(values_of(lines, row, stage, select['metric']).values())
        text = mean_and_deviation(values, _digits(values))
        cells[pair] = f'**{text}**' if row == best else text
    firsts = dict.fromkeys(first for first, _ in cells)
    seconds = dict.fromkeys(second for _, second in cells)
    table = [['', *(second or _NONE for second in seconds)]]
    for first in firsts:
        table.append([first, *(cells.get((first, second), '-') for second in seconds)])
    return align_table(table)


def _digits(values: List[float]) -> int:
    """One decimal for percentages, three for shares and losses."""
    return 1 if values and abs(statistics.fmean(values)) >= 10 else 3
