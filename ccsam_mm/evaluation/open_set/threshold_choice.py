# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Chooses a threshold on validation images, and keeps it beside the checkpoint."""

import json
from typing import Dict

import numpy as np

from ccsam_mm.utils.files import write_whole

from .curve import Array, open_set_curve

CRITERIA = ('f_measure', 'youden', 'tpr95')


def choose_threshold(
    pred: Array, target: Array, score: Array, criterion: str = 'f_measure'
) -> dict:
    """Choose the threshold that suits a criterion best.

    The F-measure counts a rejected known as a mistake, so it is often best to accept
    every image; ``accepts_all`` says so. The other criteria use the scores alone.

    Args:
        pred (np.ndarray | Sequence[int]): The predicted classes with shape ``(N, )``.
        target (np.ndarray | Sequence[int]): The true classes with shape ``(N, )``, -1
            for an image of an unknown class.
        score (np.ndarray | Sequence[float]): The scores with shape ``(N, )``.
        criterion (str): 'f_measure', the largest F; 'youden', the largest difference
            between the accepted shares of the knowns and of the unknowns; or 'tpr95',
            the largest threshold that accepts 95 % of the knowns. Defaults to
            'f_measure'.

    Returns:
        dict: The ``threshold``, one of the scores; ``f_measure`` there and
        ``f_accept_all`` without rejection; ``known_accepted`` and
        ``unknown_accepted``, shares; ``accepts_all``; ``criterion``; ``num_known`` and
        ``num_unknown``, numbers of images.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import choose_threshold
        >>> images = dict(pred=[0, 1, 1], target=[0, 1, -1], score=[0.9, 0.8, 0.6])
        >>> choose_threshold(**images)['threshold']
        0.8
    """
    curve = open_set_curve(pred, target, score)
    # Without the first threshold, infinity, which rejects all and has no form in JSON.
    curve = {key: values[1:] for key, values in curve.items()}
    if criterion == 'f_measure':
        chosen = curve['f_measure'].argmax()
    elif criterion == 'youden':
        chosen = (curve['tpr'] - curve['fpr']).argmax()
    elif criterion == 'tpr95':
        chosen = (curve['tpr'] >= 0.95).argmax()
    else:
        raise ValueError(
            f'criterion={criterion!r} is unknown: set it to one of {CRITERIA}.'
        )
    target = np.asarray(target)
    return dict(
        threshold=float(curve['threshold'][chosen]),
        f_measure=float(curve['f_measure'][chosen]),
        f_accept_all=float(curve['f_measure'][-1]),
        known_accepted=float(curve['tpr'][chosen]),
        unknown_accepted=float(curve['fpr'][chosen]),
        accepts_all=bool(chosen == len(curve['threshold']) - 1),
        criterion=criterion,
        num_known=int((target >= 0).sum()),
        num_unknown=int((target < 0).sum()),
    )


def write_thresholds(path: str, entries: Dict[str, dict]) -> None:
    """Write the file of thresholds in one step, so that no reader finds half of it.

    Args:
        path (str): The JSON file.
        entries (dict[str, dict]): Results of :func:`choose_threshold` by the keys of
            the scores.
    """
    write_whole(path, json.dumps(entries, indent=2, allow_nan=False))
