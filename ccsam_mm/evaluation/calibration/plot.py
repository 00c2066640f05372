# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reliability diagrams."""

from pathlib import Path
from typing import Union

import numpy as np

from ccsam_mm.utils.files import whole_file

from .bins import calibration_errors


def plot_reliability(
    groups: dict[str, dict[str, np.ndarray]], path: Union[str, Path]
) -> None:
    """Draw the accuracy in each bin of confidence, a panel for each group of images.

    Args:
        groups (dict[str, dict[str, np.ndarray]]): Results of
            :func:`~ccsam_mm.evaluation.calibration.reliability_bins` by their names.
        path (str | Path): The picture to write.
    """
    # The object-oriented interface needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(groups), 4.3), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (name, bins) in zip(panels, groups.items()):
        _plot_group(axes, name, bins)
    panels[0].set_ylabel('accuracy')
    panels[0].legend(loc='upper left')
    with whole_file(path) as new:
        figure.savefig(new, dpi=120, format='png')


def _plot_group(axes, name: str, bins: dict[str, np.ndarray]) -> None:
    """Bars of accuracy, and dots at the mean confidence that they should reach."""
    edges = np.linspace(0, 1, len(bins['count']) + 1)
    filled = bins['count'] > 0
    axes.bar(
        edges[:-1][filled],
        bins['accuracy'][filled],
        width=edges[1],
        align='edge',
        color='0.75',
        edgecolor='0.3',
        label='accuracy',
    )
    axes.plot(
        ((edges[:-1] + edges[1:]) / 2)[filled],
        bins['confidence'][filled],
        'k.',
        label='mean confidence',
    )
    axes.plot([0, 1], [0, 1], color='0.5', linewidth=1, linestyle=':')
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel('confidence')
    error = calibration_errors(bins)['ece']
    axes.set_title(f'{name} ({bins["count"].sum()} images): ECE {error:.1f} %')
