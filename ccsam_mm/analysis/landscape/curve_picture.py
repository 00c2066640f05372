# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Draws and saves losses over the relative noise norm."""

import csv
import io
from typing import Dict, List

import numpy as np
from scipy import stats

from .pictures import COLORS, DASHES, TITLES, new_figure, save_figure

# Largest relative noise norm of the local panel: the perturbative regime of the paper.
LOCAL = 0.2


def plot_curves(record: dict, path: str) -> None:
    """Draw a row for each group: the global range and, magnified, the local one.

    Args:
        record (dict): ``ratios``, ``groups`` (their names) and ``checkpoints``, a list
            of dicts with ``name`` and ``curve``, see :func:`loss_curve`.
        path (str): The picture to write.
    """
    groups = record['groups']
    figure = new_figure(9, 0.8 + 2.4 * len(groups))
    axes = figure.subplots(len(groups), 2, squeeze=False)
    ratios = np.asarray(record['ratios'], float)
    local = (ratios > 0) & (ratios <= LOCAL)
    for row, group in enumerate(groups):
        left, right = axes[row]
        for place, checkpoint in enumerate(record['checkpoints']):
            losses = np.asarray(checkpoint['curve'][group], float)
            style = dict(
                color=COLORS[place % len(COLORS)], linestyle=DASHES[place % len(DASHES)]
            )
            _band(left, ratios, losses, style, checkpoint['name'])
            if local.any():
                increase = losses - losses[:1] if ratios[0] == 0 else losses
                _band(right, ratios[local], increase[local], style, checkpoint['name'])
        left.set_title(f'{TITLES[group]}: loss', fontsize=10, loc='left')
        left.set_ylim(bottom=0)
        left.margins(x=0)
        right.set_title(
            'near the weights: increase of the loss'
            if ratios[0] == 0
            else 'near the weights: loss',
            fontsize=10,
            loc='left',
        )
        if local.any():
            right.set_xscale('log')
            # Curvature makes parallel lines of slope 2 where both scales are.
            low, _ = right.dataLim.intervaly
            if low > 0:
                right.set_yscale('log')
        for each in (left, right):
            each.grid(color='0.92')
    axes[0, 0].legend(fontsize=9)
    for each in axes[-1]:
        each.set_xlabel('relative noise norm  ||ε|| / ||θ||')
    number = len(record['checkpoints'][0]['curve'][groups[0]][0])
    figure.supxlabel(
        f'lines: means of {number} directions, each taken both ways; '
        'bands: 95 % intervals of these means',
        fontsize=9,
    )
    save_figure(figure, path)


def _band(axes, ratios, losses, style: dict, name: str) -> None:
    mean, number = losses.mean(axis=1), losses.shape[1]
    axes.plot(ratios, mean, label=name, linewidth=1.6, **style)
    if number > 1:
        error = losses.std(axis=1, ddof=1) / number**0.5
        half = stats.t.ppf(0.975, number - 1) * error
        color = style['color']
        axes.fill_between(
            ratios, mean - half, mean + half, color=color, alpha=0.15, linewidth=0
        )


def curve_csv(record: dict) -> str:
    """Lay out all numbers of curves, one a line.

    Args:
        record (dict): As for :func:`plot_curves`.

    Returns:
        str: CSV with a head; a loss that is not finite is empty.

    Examples:
        >>> from ccsam_mm.analysis.landscape import curve_csv
        >>> run = dict(name='CE', curve=dict(all=[[0.5]]))
        >>> print(curve_csv(dict(ratios=[0], checkpoints=[run])).strip())
        checkpoint,group,ratio,seed,loss
        CE,all,0,0,0.5
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(('checkpoint', 'group', 'ratio', 'seed', 'loss'))
    for checkpoint in record['checkpoints']:
        for group, points in checkpoint['curve'].items():
            for ratio, losses in zip(record['ratios'], points):
                for seed, loss in enumerate(losses):
                    writer.writerow((checkpoint['name'], group, ratio, seed, loss))
    return text.getvalue()


def curve_rows(record: dict) -> List[List[str]]:
    """Rows of a table: losses without noise, and mean increases at some ratios.

    Args:
        record (dict): As for :func:`plot_curves`.

    Returns:
        list[list[str]]: The cells, the heads of the columns first.
    """
    ratios = record['ratios']
    shown = [r for r in ratios if r in (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2)]
    shown = shown or [r for r in ratios if r][:7]
    rows = [['checkpoint', 'group', *(f'r={ratio:g}' for ratio in (0, *shown))]]
    for checkpoint in record['checkpoints']:
        for group, points in checkpoint['curve'].items():
            means: Dict[float, float] = {
                ratio: float(np.mean(np.asarray(losses, float)))
                for ratio, losses in zip(ratios, points)
            }
            start = means.get(0)
            cells = ['-' if start is None else f'{start:.4f}']
            for ratio in shown:
                change = means[ratio] - (start or 0)
                cells.append(f'{change:.3g}' if start is None else f'{change:+.2g}')
            rows.append([checkpoint['name'], group, *cells])
    return rows
