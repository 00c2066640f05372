# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the open-set metrics in a config, in every form that MMEngine builds."""

from typing import Union

from mmpretrain.registry import METRICS

from ccsam_mm.utils.config_types import class_of

from .open_set_metric import OpenSetMetric


def open_set_configs(evaluator: Union[dict, list, None]) -> list[dict]:
    """Find the configs of ``OpenSetMetric`` and its subclasses.

    Args:
        evaluator (dict | list, optional): ``val_evaluator`` or ``test_evaluator``: a
            metric, a list of metrics, or an evaluator with ``metrics``.

    Returns:
        list[dict]: The configs, in their order.

    Examples:
        >>> from ccsam_mm.evaluation.metrics.find_configs import open_set_configs
        >>> open_set_configs(dict(metrics=[dict(type='OpenSetMetric', threshold=0.3)]))
        [{'type': 'OpenSetMetric', 'threshold': 0.3}]
    """
    metrics = evaluator or []
    if isinstance(metrics, dict):
        metrics = metrics.get('metrics', metrics)
    if not isinstance(metrics, (list, tuple)):
        metrics = [metrics]
    return [m for m in metrics if isinstance(m, dict) and _is_open_set(m)]


def _is_open_set(metric: dict) -> bool:
    kind = class_of(metric, METRICS)
    return kind is not None and issubclass(kind, OpenSetMetric)
