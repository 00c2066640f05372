# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Draws losses on a plane through the weights as contours."""

from typing import List

import numpy as np

from .pictures import TITLES, new_figure, save_figure

LEVELS = 24


def surface_groups(names: List[str]) -> List[str]:
    """Choose the panels: all images, the most and the least frequent shot group.

    Args:
        names (list[str]): Groups of :func:`loss_groups` that have an image.

    Returns:
        list[str]: Up to three of them.

    Examples:
        >>> from ccsam_mm.analysis.landscape import surface_groups
        >>> surface_groups(['all', 'class_mean', 'many', 'medium'])
        ['all', 'many', 'medium']
    """
    shots = [name for name in names if name in ('many', 'medium', 'few')]
    return ['all', *dict.fromkeys((shots[0], shots[-1]))]


def plot_surfaces(record: dict, path: str) -> None:
    """Draw a row of contours for each checkpoint, all in one scale of colours.

    Args:
        record (dict): ``axis``, ``groups`` (their names) and ``checkpoints``, a list of
            dicts with ``name`` and ``surface``, see :func:`loss_surface`.
        path (str): The picture to write.
    """
    from matplotlib.colors import LogNorm

    groups, checkpoints = record['groups'], record['checkpoints']
    values = np.asarray(
        [[run['surface'][group] for group in groups] for run in checkpoints], float
    )
    figure = new_figure(1.2 + 2.9 * len(groups), 0.7 + 2.6 * len(checkpoints))
    axes = figure.subplots(
        len(checkpoints), len(groups), squeeze=False, sharex=True, sharey=True
    )
    # A loss may grow by orders of magnitude: levels are even in its logarithm.
    finite = values[np.isfinite(values)]
    high = max(float(finite.max()), 1e-6)
    low = max(float(finite.min()), 1e-4 * high)
    high = max(high, 1.01 * low)
    levels = np.geomspace(low, high, LEVELS)
    drawn = None
    for row, run in enumerate(checkpoints):
        for column, group in enumerate(groups):
            ax = axes[row, column]
            losses = np.ma.masked_invalid(values[row, column])
            losses = losses.clip(low, high)
            drawn = ax.contourf(
                record['axis'],
                record['axis'],
                losses,
                levels=levels,
                norm=LogNorm(low, high),
                cmap='viridis',
            )
            ax.contour(
                record['axis'],
                record['axis'],
                losses,
                levels=levels[::3],
                colors='white',
                linewidths=0.5,
            )
            ax.plot(0, 0, marker='+', color='white', markersize=9)
            ax.set_aspect('equal')
            if row == 0:
                ax.set_title(TITLES[group], fontsize=10)
            if column == 0:
                ax.set_ylabel(run['name'])
    bar = figure.colorbar(drawn, ax=axes, label='loss (logarithmic)')
    ticks = np.geomspace(low, high, 6)
    bar.set_ticks(ticks, labels=[f'{tick:.2g}' for tick in ticks])
    bar.minorticks_off()
    figure.supxlabel(
        'steps along two random directions as long as the filters; +: the weights',
        fontsize=9,
    )
    save_figure(figure, path)
