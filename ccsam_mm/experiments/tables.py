# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tables over the seeds of a sweep, from its JSON lines."""

import math
import statistics
from typing import Dict, List, Optional

from ccsam_mm.analysis.comparison import COLUMNS
from ccsam_mm.utils.tables import align_table


def values_of(lines: List[dict], row: str, stage: str, metric: str) -> Dict[int, float]:
    """Collect the values of one row.

    Args:
        lines (list[dict]): The JSON lines.
        row (str): The name of the row.
        stage (str): A stage, or ``test``.
        metric (str): A metric, ``train_loss`` or ``seconds``.

    Returns:
        dict[int, float]: The value of each seed that has one.
    """
    values = {}
    for line in lines:
        measured = _measured(line, stage)
        if line['row'] == row and measured.get(metric) is not None:
            values[line['seed']] = measured[metric]
    return values


def _measured(line: dict, stage: str) -> dict:
    """The numbers of a line and a stage, in one dict."""
    if stage == 'test':
        return line.get('test') or {}
    record = line['stages'].get(stage)
    if record is None:
        return {}
    own = {key: record.get(key) for key in ('train_loss', 'seconds')}
    return {**record['metrics'], **own}


def mean_and_deviation(values: List[float], digits: int = 1, sign: str = '') -> str:
    """Write the mean of some runs and their sample deviation.

    Args:
        values (list[float]): One value per run.
        digits (int): The number of decimals. Defaults to 1.
        sign (str): ``'+'`` also writes the sign of positive means. Defaults to ''.

    Returns:
        str: The mean alone where there is one run, ``-`` where there is none.

    Examples:
        >>> from ccsam_mm.experiments.tables import mean_and_deviation
        >>> mean_and_deviation([90.0, 92.0]), mean_and_deviation([0.5], sign='+')
        ('91.0 ± 1.4', '+0.5')
    """
    if not values:
        return '-'
    text = f'{statistics.fmean(values):{sign}.{digits}f}'
    if len(values) > 1:
        text += f' ± {statistics.stdev(values):.{digits}f}'
    return text


def paired_differences(own: Dict[int, float], other: Dict[int, float]) -> List[float]:
    """Subtract another row, seed by seed.

    Args:
        own (dict[int, float]): The value of each seed.
        other (dict[int, float]): The same of the other row.

    Returns:
        list[float]: One difference per seed that both have.

    Examples:
        >>> from ccsam_mm.experiments.tables import paired_differences
        >>> paired_differences({0: 92.0, 1: 90.0}, {0: 91.0, 1: 87.0, 2: 50.0})
        [1.0, 3.0]
    """
    return [own[seed] - other[seed] for seed in own if seed in other]


def best_row(lines: List[dict], rows: List[str], select: dict) -> Optional[str]:
    """Find the row whose mean over the seeds is best.

    Args:
        lines (list[dict]): The JSON lines.
        rows (list[str]): The rows to choose from.
        select (dict): ``metric``, ``stage`` and ``rule`` of the sweep.

    Returns:
        str, optional: The row, the first of equal ones; None without results. A row
        with a result that is NaN, because a training diverged, is never best.
    """
    means = {}
    for row in rows:
        values = values_of(lines, row, select['stage'], select['metric'])
        mean = statistics.fmean(values.values()) if values else math.nan
        if not math.isnan(mean):
            means[row] = mean
    best = max if select['rule'] == 'greater' else min
    return best(means, key=means.get) if means else None


def sweep_table(
    lines: List[dict],
    rows: List[str],
    stage: str,
    select: dict,
    baseline: Optional[str] = None,
) -> str:
    """Lay out one stage of a sweep as a Markdown table.

    Args:
        lines (list[dict]): The JSON lines.
        rows (list[str]): The rows to show.
        stage (str): The stage to show, or ``test``.
        select (dict): ``metric``, ``stage`` and ``rule`` of the sweep; the best value
            of the metric is bold.
        baseline (str, optional): The row that differences are taken from. Defaults to
            None.

    Returns:
        str: One row per run and point, with means and deviations over the seeds.

    Examples:
        >>> from ccsam_mm.experiments import sweep_table
        >>> metrics = {'accuracy/class_mean': 90.0, 'accuracy/few': 70.0}
        >>> record = dict(metrics=metrics, train_loss=0.5, seconds=12.0)
        >>> line = dict(row='ce', seed=0, stages=dict(stage1=record))
        >>> select = dict(metric='accuracy/class_mean', stage='stage1', rule='greater')
        >>> print(sweep_table([line], ['ce'], 'stage1', select))
        |    | class_mean |  few | train_loss | seconds | seeds |
        |----|-----------:|-----:|-----------:|--------:|------:|
        | ce |   **90.0** | 70.0 |      0.500 |    12.0 |     1 |
    """
    metric, best = select['metric'], best_row(lines, rows, dict(select, stage=stage))
    columns = _columns(lines, stage, select)
    heads = [column.replace('accuracy/', '') for column in columns]
    if baseline and metric in columns:
        heads.insert(columns.index(metric) + 1, 'difference')
    table = [['', *heads, 'seeds']]
    for row in rows:
        cells, seeds = [row], set()
        for column in columns:
            own = values_of(lines, row, stage, column)
            seeds.update(own)
            digits = _digits(lines, stage, column)
            text = mean_and_deviation(list(own.values()), digits)
            cells.append(f'**{text}**' if column == metric and row == best else text)
            if baseline and column == metric:
                base = values_of(lines, baseline, stage, column)
                text = mean_and_deviation(paired_differences(own, base), digits, '+')
                cells.append('' if row == baseline else text)
        table.append([*cells, str(len(seeds))])
    return align_table(table)


def _digits(lines: List[dict], stage: str, column: str) -> int:
    """One decimal for percentages and seconds, three for losses and shares."""
    if column == 'seconds' or column.startswith('accuracy/'):
        return 1
    values = [_measured(line, stage).get(column) or 0 for line in lines]
    return 1 if max(map(abs, values)) >= 10 else 3


def _columns(lines: List[dict], stage: str, select: dict) -> List[str]:
    """The metrics that any line has: accuracies in their usual order, then others."""
    there = {key for line in lines for key in _measured(line, stage)}
    order = [f'accuracy/{column}' for column in COLUMNS]
    others = sorted(there - {*order, 'train_loss', 'seconds'})
    columns = [
        key for key in (*order, *others, 'train_loss', 'seconds') if key in there
    ]
    if select['metric'] not in columns and stage == select['stage']:
        raise ValueError(
            f"select.metric '{select['metric']}' was not measured in {stage}: there "
            f'are {", ".join(columns)}.'
        )
    return columns
