# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds metrics of the same name before the evaluation starts."""

from collections.abc import Sequence

from mmengine.evaluator import BaseMetric
from mmpretrain.evaluation import Accuracy

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
    for metric in filter(_reports_top1, metrics):
        other = first.setdefault(metric.prefix, metric)
        if other is not metric:
            name, other = type(metric).__name__, type(other).__name__
            raise ValueError(
                f"{other} and {name} would both report '{metric.prefix}/top1': give "
                'one of them another `prefix` in `val_evaluator` and `test_evaluator`, '
                'or leave it out.'
            )


def _reports_top1(metric: BaseMetric) -> bool:
    if isinstance(metric, Accuracy):
        # With several thresholds, their values are in the names.
        return 1 in metric.topk and len(metric.thrs) == 1
    return isinstance(metric, (ShotAccuracy, OpenSetMetric))
