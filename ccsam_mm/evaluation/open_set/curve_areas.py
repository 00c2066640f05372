# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Measures that need no threshold, from the curve over all thresholds."""

import numpy as np


def auroc(curve: dict[str, np.ndarray]) -> float:
    """Calculate the area under the receiver operating characteristic.

    It is the chance that a known image has a larger score than an unknown one, ties
    counting one half.

    Args:
        curve (dict[str, np.ndarray]): The result of :func:`open_set_curve`.

    Returns:
        float: 1 if the scores separate the two, 0.5 if they are random.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import auroc, open_set_curve
        >>> auroc(open_set_curve([0, 1, 1], [0, 1, -1], [0.9, 0.6, 0.6]))
        0.75
    """
    return _area(curve['fpr'], curve['tpr'])


def fpr_at_tpr(curve: dict[str, np.ndarray], tpr: float = 0.95) -> float:
    """Find how many unknowns are accepted with a share of the knowns.

    Args:
        curve (dict[str, np.ndarray]): The result of :func:`open_set_curve`.
        tpr (float): The share of known images to accept at least. Defaults to 0.95.

    Returns:
        float: The accepted share of the unknowns at the largest such threshold.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import fpr_at_tpr, open_set_curve
        >>> curve = open_set_curve([0, 1, 1, 0], [0, 1, -1, -1], [0.9, 0.6, 0.7, 0.1])
        >>> fpr_at_tpr(curve), fpr_at_tpr(curve, tpr=0.5)
        (0.5, 0.0)
    """
    return float(curve['fpr'][np.argmax(curve['tpr'] >= tpr)])


def oscr(curve: dict[str, np.ndarray]) -> float:
    """Calculate the area under the open-set classification rate.

    Dhamija et al., Reducing Network Agnostophobia, NeurIPS 2018: the share of the
    knowns that are accepted and right over the share of accepted unknowns. The points
    of all distinct thresholds are joined by straight lines, so that ties count one half
    as in :func:`auroc`; the last point is the accuracy without rejection at 1, so that
    the area is at most that accuracy.

    Args:
        curve (dict[str, np.ndarray]): The result of :func:`open_set_curve`.

    Returns:
        float: The area as a fraction.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import open_set_curve, oscr
        >>> oscr(open_set_curve([0, 0, 1], [0, 1, -1], [0.9, 0.6, 0.5]))
        0.5
    """
    return _area(curve['fpr'], curve['ccr'])


def _area(x: np.ndarray, y: np.ndarray) -> float:
    """Integrate by trapezoids; NumPy renamed its own function."""
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)
