# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The statistics of the training images that an open-set score needs."""

from typing import Optional, Union

from mmengine.model import BaseModel

from ccsam_mm.evaluation.open_set import ClassStatistics, needs_distances
from ccsam_mm.evaluation.open_set.statistics_file import (
    KeptStatistics,
    load_statistics,
    model_key,
)


def statistics_for_score(
    path: str, score: Union[str, dict], model: BaseModel
) -> ClassStatistics:
    """Read the statistics that belong to a model, on its device.

    Args:
        path (str): The file of the statistics.
        score (str | dict): The score that needs them.
        model (BaseModel): The model.

    Returns:
        ClassStatistics: The statistics.

    Raises:
        ValueError: If the file is missing or does not fit the model and the score.
    """
    kept = load_statistics(path)
    reason = _why_unusable(kept, score, model)
    if reason:
        raise ValueError(
            f'score={score!r} needs {path}, the statistics of the training '
            f'images, which {reason}: make it with `python tools/analysis_tools/'
            'choose_threshold.py CONFIG CHECKPOINT`, or use another `score`, like '
            "'energy'."
        )
    device = next(model.parameters()).device
    tensors = kept.statistics
    return ClassStatistics(*(t if t is None else t.to(device) for t in tensors))


def _why_unusable(
    kept: Optional[KeptStatistics], score: Union[str, dict], model: BaseModel
) -> str:
    """Say why statistics cannot be used; empty if they can."""
    if kept is None:
        return 'is missing'
    if kept.model_key != model_key(model):
        return 'belongs to other weights'
    if needs_distances(score) and kept.statistics.distances is None:
        return "was made without score='openmax' in the config"
    return ''
