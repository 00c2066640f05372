# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Pictures of a score on known and unknown images."""

from pathlib import Path
from typing import Optional, Union

import numpy as np

from .curve import Array, open_set_curve
from .curve_areas import auroc, oscr


def plot_open_set(
    pred: Array,
    target: Array,
    score: Array,
    threshold: Optional[float],
    path: Union[str, Path],
    score_key: str = 'score',
) -> None:
    """Draw F over the thresholds, the operating characteristics and histograms.

    Args:
        pred (np.ndarray | Sequence[int]): The predicted classes with shape ``(N, )``.
        target (np.ndarray | Sequence[int]): The true classes with shape ``(N, )``, -1
            for an image of an unknown class.
        score (np.ndarray | Sequence[float]): The scores with shape ``(N, )``.
        threshold (float, optional): The chosen threshold, which is marked.
        path (str | Path): The picture to write.
        score_key (str): The name of the score. Defaults to 'score'.
    """
    # The object-oriented interface needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pred, target, score = np.asarray(pred), np.asarray(target), np.asarray(score, float)
    curve = open_set_curve(pred, target, score)
    figure = Figure(figsize=(15, 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    _plot_f_measures(axes[0], curve, threshold, score_key)
    _plot_rates(axes[1], curve, threshold)
    _plot_histograms(axes[2], pred, target, score, score_key)
    for each in (axes[0], axes[2]) if threshold is not None else ():
        # A threshold beyond all scores is drawn at the border.
        mark = np.clip(threshold, score.min(), score.max())
        each.axvline(mark, color='black', linewidth=1, linestyle=':')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _plot_f_measures(
    axes, curve: dict, threshold: Optional[float], score_key: str
) -> None:
    """F of both rules, and the floor, over the thresholds on the evaluated images."""
    finite = curve['threshold'][1:]
    axes.plot(finite, curve['f_measure'][1:], label='F')
    axes.plot(finite, curve['f_floor'][1:], '--', label='its floor')
    axes.plot(finite, curve['f_measure_legacy'][1:], color='0.7', label='legacy rule')
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f'threshold on {score_key}')
    axes.set_ylabel('F-measure')
    if threshold is not None:
        f = curve['f_measure'][curve['threshold'] >= threshold][-1]
        axes.set_title(f'F = {f:.3f} at the chosen threshold {threshold:.4g} (dotted)')
    axes.legend()


def _plot_rates(axes, curve: dict, threshold: Optional[float]) -> None:
    """The accepted share of the knowns over that of the unknowns."""
    chosen = []
    if threshold is not None:
        chosen = [np.flatnonzero(curve['threshold'] >= threshold)[-1]]
    for key, name in (
        ('tpr', f'accepted knowns (AUROC {auroc(curve):.3f})'),
        ('ccr', f'accepted and right (OSCR {oscr(curve):.3f})'),
    ):
        (line,) = axes.plot(curve['fpr'], curve[key], label=name)
        axes.plot(curve['fpr'][chosen], curve[key][chosen], 'o', color=line.get_color())
    axes.plot([0, 1], [0, 1], color='0.8', linewidth=1, zorder=0)
    axes.set_xlabel('share of accepted unknowns')
    axes.set_ylabel('share of knowns')
    axes.set_title('all thresholds' + (', the chosen one as dots' if chosen else ''))
    axes.legend(loc='lower right')


def _plot_histograms(axes, pred, target, score, score_key: str) -> None:
    """The scores of the three kinds of images, each kind's heights adding up to 1."""
    bins = np.histogram_bin_edges(score, 40)
    for name, group in (
        ('known, right', (target >= 0) & (pred == target)),
        ('known, wrong', (target >= 0) & (pred != target)),
        ('unknown', target < 0),
    ):
        weights = np.full(int(group.sum()), 1 / max(group.sum(), 1))
        name = f'{name} ({group.sum()})'
        axes.hist(score[group], bins, weights=weights, histtype='step', label=name)
    axes.set_xlabel(score_key)
    axes.set_ylabel('share of the images')
    axes.legend()
