# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tables and pictures of several runs side by side."""

import json
from pathlib import Path
from typing import Dict, Sequence

from ccsam_mm.utils.tables import align_table

COLUMNS = ('top1', 'class_mean', 'many', 'medium', 'few')


def load_metrics(path: str) -> dict:
    """Read the file of ``tools/test.py --out PATH --out-item metrics``.

    Args:
        path (str): The JSON file.

    Returns:
        dict: The metrics of :class:`ccsam_mm.evaluation.ShotAccuracy`, without their
        prefix.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist: write it with '
            f'`python tools/test.py CONFIG CHECKPOINT --out {path} --out-item metrics`.'
        )
    prefix = 'accuracy/'
    metrics = {
        key[len(prefix) :]: value
        for key, value in json.loads(path.read_text()).items()
        if key.startswith(prefix)
    }
    if 'top1' not in metrics:
        raise ValueError(
            f'{path} holds no accuracies: set `test_evaluator` in the config to '
            "`dict(type='ShotAccuracy')`."
        )
    return metrics


def format_table(results: Dict[str, dict]) -> str:
    """Lay out accuracies as a Markdown table.

    Args:
        results (dict[str, dict]): Metrics of each run by its name.

    Returns:
        str: One row per run; columns that no run has are left out.

    Examples:
        >>> from ccsam_mm.analysis import format_table
        >>> results = {'CE': dict(top1=70.7, few=9), 'CC-SAM': dict(top1=83.92)}
        >>> print(format_table(results))
        |        | top1 | few |
        |--------|-----:|----:|
        | CE     | 70.7 | 9.0 |
        | CC-SAM | 83.9 |   - |
    """
    columns = [c for c in COLUMNS if any(c in metrics for metrics in results.values())]
    rows = [['', *columns]]
    for name, metrics in results.items():
        cells = [f'{metrics[c]:.1f}' if c in metrics else '-' for c in columns]
        rows.append([name, *cells])
    return align_table(rows)


def plot_class_accuracy(results: Dict[str, dict], path: str) -> None:
    """Draw the accuracy on each class over the class counts.

    Args:
        results (dict[str, dict]): Metrics of each run by its name, with ``per_class``
            and ``class_counts``.
        path (str): The picture to write.
    """
    # The object-oriented interface needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = _common_counts(results)
    order = sorted(range(len(counts)), key=lambda c: -counts[c])
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    images = axes.twinx()
    images.bar(range(len(order)), [counts[c] for c in order], color='0.9')
    images.set_yscale('log')
    images.set_ylabel('training images (bars)')
    for name, metrics in results.items():
        # A class without a test image is None in JSON, and a gap in the line.
        accuracy = [metrics['per_class'][c] for c in order]
        accuracy = [float('nan') if a is None else a for a in accuracy]
        marker = 'o' if len(order) <= 30 else None
        axes.plot(accuracy, marker=marker, label=f'{name} ({metrics["top1"]:.1f})')
    # Lines before bars.
    axes.set_zorder(images.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.set_ylim(-2, 102)
    axes.set_xlabel('class, from most to fewest training images')
    axes.set_ylabel('accuracy in %')
    if len(order) <= 30:
        axes.set_xticks(range(len(order)), [f'{c}\n({counts[c]})' for c in order])
    axes.legend(title='top-1 in brackets', loc='lower left')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _common_counts(results: Dict[str, dict]) -> Sequence[int]:
    """The class counts of all runs, which have to agree."""
    counts = None
    for name, metrics in results.items():
        if 'per_class' not in metrics:
            raise ValueError(
                f"The metrics of '{name}' have no per-class values: set "
                "`test_evaluator=dict(type='ShotAccuracy', per_class=True)`."
            )
        if counts not in (None, metrics['class_counts']):
            raise ValueError(
                f"'{name}' was trained on other class counts than the runs before it: "
                'compare runs of one data set.'
            )
        counts = metrics['class_counts']
    return counts
