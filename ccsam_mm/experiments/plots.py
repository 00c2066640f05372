# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Pictures of a sweep, from its JSON lines."""

import re
import statistics
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from .tables import values_of
from .trial import SweepTrial, axis_names


def plot_sweep(
    lines: List[dict],
    trials: List[SweepTrial],
    select: dict,
    stem: str,
    baseline: Optional[str] = None,
) -> List[str]:
    """Draw the mean of each row, and each run over each numeric axis of its grid.

    Args:
        lines (list[dict]): The JSON lines.
        trials (list[SweepTrial]): The trials of the sweep.
        select (dict): ``metric`` and ``stage`` to draw.
        stem (str): The start of the pictures' paths.
        baseline (str, optional): The row to draw as a line. Defaults to None.

    Returns:
        list[str]: The pictures.

    Examples:
        >>> from ccsam_mm.experiments import SweepTrial, plot_sweep
        >>> trial = SweepTrial('ce', {}, 0, ())
        >>> select = dict(metric='top1', stage='stage1')
        >>> plot_sweep([], [trial], select, 'none')  # there are no lines
        []
    """
    rows = list(dict.fromkeys(trial.row for trial in trials))
    results = {
        row: list(values_of(lines, row, select['stage'], select['metric']).values())
        for row in rows
    }
    results = {row: values for row, values in results.items() if values}
    if not results:
        return []
    Path(stem).parent.mkdir(parents=True, exist_ok=True)
    label = f'{select["metric"]} after {select["stage"]}'
    pictures = [f'{stem}_rows.png']
    _plot_rows(results, label, baseline, pictures[0])
    for run, axis, curves in _numeric_axes(trials, results):
        name = re.sub(r'[^\w.-]', '_', f'{run}_{axis}')
        pictures.append(f'{stem}_{name}.png')
        _plot_axis(curves, run, axis, label, results.get(baseline), pictures[-1])
    return pictures


def _numeric_axes(trials: List[SweepTrial], results: dict) -> List[Tuple]:
    """Run, axis, and the curve over it for each value of the other axes."""
    points: Dict[str, dict] = {}
    for trial in trials:
        if trial.row in results:
            points.setdefault(trial.run, {})[trial.row] = trial.point
    axes = []
    for run, rows in points.items():
        names = axis_names(next(iter(rows.values())))
        # An axis with one value distinguishes no curves.
        names = {
            key: name
            for key, name in names.items()
            if len({repr(point[key]) for point in rows.values()}) > 1
        }
        for key, name in names.items():
            curves: Dict[str, dict] = {}
            for row, point in rows.items():
                if _is_number(point[key]):
                    others = [k for k in names if k != key]
                    text = ', '.join(f'{names[k]}={point[k]}' for k in others)
                    curves.setdefault(text, {})[point[key]] = results[row]
            if len({x for curve in curves.values() for x in curve}) > 1:
                axes.append((run, name, curves))
    return axes


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _deviation(values: List[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _figure(height: float):
    """A figure and its axes."""
    # The object-oriented interface needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _plot_rows(results, label, baseline, path) -> None:
    """The mean of each row with its deviation, and a dot per seed."""
    figure, axes = _figure(1.5 + 0.3 * len(results))
    for place, (row, values) in enumerate(results.items()):
        color = '0.4' if row == baseline else 'C0'
        mean, deviation = statistics.fmean(values), _deviation(values)
        axes.errorbar(mean, place, xerr=deviation, fmt='o', color=color, capsize=3)
        axes.plot(values, [place] * len(values), 'k.', markersize=4, alpha=0.5)
    if baseline in results:
        axes.axvline(statistics.fmean(results[baseline]), color='0.6', linestyle='--')
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    axes.grid(axis='y', color='0.9')
    axes.set_xlabel(
        f'{label}\ncircles: means, whiskers: sample deviations, dots: seeds'
    )
    figure.savefig(path, dpi=120)


def _plot_axis(curves, run, axis, label, baseline, path) -> None:
    """A curve with error bars for each value of the other axes."""
    figure, axes = _figure(4.5)
    for text, curve in curves.items():
        places = sorted(curve)
        means = [statistics.fmean(curve[x]) for x in places]
        errors = [_deviation(curve[x]) for x in places]
        axes.errorbar(places, means, errors, marker='o', capsize=3, label=text or run)
    if baseline:
        mean, deviation = statistics.fmean(baseline), _deviation(baseline)
        axes.axhline(mean, color='0.4', linestyle='--', label='baseline')
        axes.axhspan(mean - deviation, mean + deviation, color='0.85', zorder=0)
    places = sorted({x for curve in curves.values() for x in curve})
    positive = [x for x in places if x > 0]
    if places[0] >= 0 and positive and positive[-1] >= 10 * positive[0]:
        if places[0] > 0:
            axes.set_xscale('log')
        else:  # zero, the unperturbed case, belongs in the picture
            axes.set_xscale('symlog', linthresh=positive[0])
    axes.set_xlabel(axis)
    axes.set_ylabel(label)
    axes.set_title(run)
    axes.legend()
    figure.savefig(path, dpi=120)
