# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds metrics of the same name before the evaluation starts."""

from collections.abc import Sequence
from typing import Optional

from mmengine.evaluator import BaseMetric
from mmpretrain.evaluation import Accuracy

from .calibration_metric import CalibrationMetric
from .open_set_metric import OpenSetMetric
from .shot_accuracy import ShotAccuracy


def check_metric_names(metrics: Sequence[BaseMetric]) -> None:
    """Refuse equal names, which MMEngine refuses only after the evaluation.

    Args:
        metrics (Sequence[BaseMetric]): The metrics of one evaluator.

    Examples:
        >>> from ccsam_mm.evaluation import ShotAccuracy
        >>> from ccsam_mm.evaluation.metrics.metric_names import check_metric_names
        >>> check_metric_names([ShotAccuracy(), ShotAccuracy(prefix='again')])
    """
    first = {}
    for metric in metrics:
        item = _main_result(metric)
        if item is None:
            continue
        other = first.setdefault((metric.prefix, item), metric)
        if other is not metric:
            name, other = type(metric).__name__, type(other).__name__
            raise ValueError(
                f"{other} and {name} would both report '{metric.prefix}/{item}': give "
                'one of them another `prefix` in `val_evaluator` and `test_evaluator`, '
                'or leave it out.'
            )


def _main_result(metric: BaseMetric) -> Optional[str]:
    """One of the names that a metric surely reports."""
    if isinstance(metric, Accuracy):
        # With several thresholds, their values are in the names.
        return 'top1' if 1 in metric.topk and len(metric.thrs) == 1 else None
    if isinstance(metric, CalibrationMetric):
        return 'ece'
    return 'top1' if isinstance(metric, (ShotAccuracy, OpenSetMetric)) else None
