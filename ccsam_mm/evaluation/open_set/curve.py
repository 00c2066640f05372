# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The open-set measures at every threshold on the score."""

from collections.abc import Sequence
from typing import Union

import numpy as np

from .f_measure import open_set_f_measures

Array = Union[np.ndarray, Sequence]


def open_set_curve(pred: Array, target: Array, score: Array) -> dict[str, np.ndarray]:
    """Calculate the measures at every threshold that makes a difference.

    An image is accepted where score >= threshold. The thresholds are infinity, which
    rejects every image, and then the T - 1 distinct scores, from the largest to the
    smallest, which accepts every image. One sort and cumulative sums: O(N log N).

    Args:
        pred (np.ndarray | Sequence[int]): The predicted classes with shape ``(N, )``.
        target (np.ndarray | Sequence[int]): The true classes with shape ``(N, )``, -1
            for an image of an unknown class.
        score (np.ndarray | Sequence[float]): How well each image seems to be known,
            with shape ``(N, )``, finite.

    Returns:
        dict[str, np.ndarray]: Arrays of shape ``(T, )``: ``threshold``; ``f_measure``,
        ``f_measure_legacy`` and ``f_floor`` as in :func:`open_set_f_measures`; ``tpr``
        and ``fpr``, the accepted shares of the knowns and of the unknowns; and ``ccr``,
        the share of the knowns that are accepted and right.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import open_set_curve
        >>> curve = open_set_curve([0, 1, 1], [0, 1, -1], [0.9, 0.6, 0.6])
        >>> curve['threshold'], curve['f_measure']
        (array([inf, 0.9, 0.6]), array([0.        , 0.66666667, 0.8       ]))
    """
    pred, target, score = np.asarray(pred), np.asarray(target), np.asarray(score, float)
    known = target >= 0
    num_known, num_unknown = int(known.sum()), int((~known).sum())
    _check(num_known, num_unknown, score)
    order = np.argsort(-score)
    # Images of one score are accepted together: count up to the last of them.
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    right = _accepted(known & (pred == target), order, last)
    wrong = _accepted(known & (pred != target), order, last)
    unknown = _accepted(~known, order, last)
    return dict(
        threshold=np.append(np.inf, score[order][last]),
        **open_set_f_measures(right, wrong, unknown, num_known, num_unknown),
        tpr=(right + wrong) / num_known,
        fpr=unknown / num_unknown,
        ccr=right / num_known,
    )


def _accepted(group: np.ndarray, order: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Count a group's images that each threshold accepts, none at first."""
    return np.append(0, np.cumsum(group[order])[last])


def _check(num_known: int, num_unknown: int, score: np.ndarray) -> None:
    if num_unknown == 0:
        raise ValueError(
            'The evaluated data set has no image of an unknown class (label -1): wrap '
            'it in `OpenSet(known=..., unknown=...)`, or list such images with the '
            'label -1.'
        )
    if num_known == 0:
        raise ValueError(
            'Every image of the evaluated data set is of an unknown class (label -1): '
            'add the test images of the known classes with their labels, for example '
            'with `OpenSet(known=..., unknown=...)`.'
        )
    if not np.isfinite(score).all():
        raise ValueError(
            f'{int((~np.isfinite(score)).sum())} of {len(score)} open-set scores are '
            'NaN or infinite: use a checkpoint whose training has not diverged, or '
            'test without mixed precision.'
        )
