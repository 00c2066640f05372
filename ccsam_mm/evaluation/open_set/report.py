# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Writes the results of an open-set evaluation, with their curve."""

import json
from pathlib import Path
from typing import Union

import numpy as np

from ccsam_mm.utils.files import write_whole

from .curve import Array, open_set_curve
from .plot import plot_open_set

# Enough for any picture; the measures are calculated on all points.
MAX_POINTS = 1001
ORACLE_NOTE = (
    'The best threshold on the evaluated images themselves: how far a better threshold '
    'could go, and no result to report.'
)


def write_open_set_report(
    path: Union[str, Path],
    pred: Array,
    target: Array,
    score: Array,
    metrics: dict,
    score_key: str = 'score',
) -> None:
    """Write a JSON file of the results and the curve, and a picture beside it.

    Args:
        path (str | Path): The file to write; the picture ends in ``.png`` instead.
        pred (np.ndarray | Sequence[int]): The predicted classes with shape ``(N, )``.
        target (np.ndarray | Sequence[int]): The true classes with shape ``(N, )``, -1
            for an image of an unknown class.
        score (np.ndarray | Sequence[float]): The scores with shape ``(N, )``.
        metrics (dict): The results, with the ``threshold`` if there is one.
        score_key (str): The name of the score. Defaults to 'score'.
    """
    path = Path(path)
    curve = open_set_curve(pred, target, score)
    best = int(np.argmax(curve['f_measure']))
    # Without the first point, whose threshold is infinite, which JSON does not know.
    count = min(len(curve['threshold']) - 1, MAX_POINTS)
    points = np.linspace(1, len(curve['threshold']) - 1, count).round().astype(int)
    report = dict(
        score=score_key,
        num_known=int(np.sum(np.asarray(target) >= 0)),
        num_unknown=int(np.sum(np.asarray(target) < 0)),
        metrics=metrics,
        oracle=dict(
            note=ORACLE_NOTE,
            threshold=float(curve['threshold'][best]) if best else None,
            f_measure=float(curve['f_measure'][best]),
        ),
        curve={key: values[points].tolist() for key, values in curve.items()},
    )
    write_whole(path, json.dumps(report, allow_nan=False))
    threshold = metrics.get('threshold')
    plot_open_set(pred, target, score, threshold, path.with_suffix('.png'), score_key)
