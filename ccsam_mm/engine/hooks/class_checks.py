# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds parts of a training that count other classes, before time is spent."""

from typing import List, Optional

import numpy as np
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import BaseLoop, Runner
from torch import nn

from ccsam_mm.datasets import get_gt_labels
from ccsam_mm.datasets.class_counts import evaluated_class_counts
from ccsam_mm.evaluation import OpenSetMetric, ShotAccuracy
from ccsam_mm.evaluation.shot_groups import shot_groups
from ccsam_mm.utils.loading.load_record import innermost


def check_num_classes(runner: Runner, counts: List[int]) -> None:
    """Refuse a head of other classes before its loss meets a label without a logit.

    Args:
        runner (Runner): The runner of a training.
        counts (List[int]): Training images of each class.
    """
    num_classes = _head_classes(innermost(runner.model))
    if num_classes is not None and num_classes != len(counts):
        raise ValueError(
            f'The training data set has {len(counts)} classes, but the head has '
            f'{num_classes}: set model.head.num_classes (and data_preprocessor.'
            f'num_classes) to {len(counts)}.'
        )


def check_batch_augments(runner: Runner) -> None:
    """Refuse soft labels of another number of classes than the head has.

    Args:
        runner (Runner): The runner of a training.
    """
    model = innermost(runner.model)
    preprocessor = getattr(model, 'data_preprocessor', None)
    expected = _head_classes(model)
    loss = getattr(getattr(model, 'head', None), 'loss_module', None)
    found = {}
    if getattr(preprocessor, 'batch_augments', None) is not None:
        found['data_preprocessor.num_classes'] = preprocessor.num_classes
    if isinstance(getattr(loss, 'num_classes', None), int):
        found['model.head.loss.num_classes'] = loss.num_classes
    for key, number in found.items():
        if expected is not None and number != expected:
            user = (
                'the loss' if 'loss' in key else 'Mixup or another batch augmentation'
            )
            raise ValueError(
                f'{key} is {number}, by which {user} makes soft labels, but the head '
                f'has {expected} classes: set {key} to {expected}.'
            )


def check_validation_labels(runner: Runner, counts: List[int]) -> None:
    """Refuse labels of other classes before an epoch is spent on the way to them.

    Args:
        runner (Runner): The runner of a training.
        counts (List[int]): Training images of each class.
    """
    labels = _validation_labels(runner)
    if labels is None:
        return
    # Negative labels are the unknown classes of open sets.
    beyond = (labels >= len(counts)).nonzero()[0]
    if len(beyond):
        raise ValueError(
            f'The validation data set gives its image {beyond[0]} the label '
            f'{labels[beyond[0]]}, but the training data set has {len(counts)} '
            'classes: correct the annotation of val_dataloader.dataset, or give both '
            'data sets the same classes.'
        )


def check_monitored_names(runner: Runner, counts: List[int]) -> None:
    """Refuse to wait for a result that our metrics will never report.

    Args:
        runner (Runner): The runner of a training.
        counts (List[int]): Training images of each class.
    """
    labels = _validation_labels(runner)
    if labels is None:
        return
    metrics = getattr(runner.val_loop.evaluator, 'metrics', [])
    for key, name in _monitored(runner):
        prefix, _, item = name.rpartition('/')
        own = [m for m in metrics if getattr(m, 'prefix', None) == prefix]
        shots = [m for m in own if isinstance(m, (ShotAccuracy, OpenSetMetric))]
        if item not in ('many', 'medium', 'few') or not shots or len(shots) < len(own):
            continue
        meta = getattr(runner.val_dataloader.dataset, 'metainfo', None)
        own_counts = evaluated_class_counts(shots[0].class_counts, meta) or counts
        group = shot_groups(own_counts, shots[0].shot_rule)[item]
        tested = np.isin(np.arange(len(own_counts)), labels)
        if not (group & tested).any():
            lack = 'no class is' if not group.any() else 'no validated class is'
            raise ValueError(
                f"{key}='{name}' would never be reported, since {lack} '{item}' in "
                f'training images ({min(own_counts)} to {max(own_counts)} per class, '
                f"shot_rule='{shots[0].shot_rule}'): set it to another result, such as "
                f"'{prefix}/{'class_mean' if 'accuracy' in prefix else 'auroc'}'."
            )


def _monitored(runner: Runner) -> List[tuple]:
    """The config keys that name a result of the validation, and these names."""
    found = []
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            found += [('save_best of CheckpointHook', n) for n in hook.save_best or []]
        if isinstance(hook, EarlyStoppingHook):
            found.append(('monitor of EarlyStoppingHook', hook.monitor))
    schedulers = runner.param_schedulers
    if isinstance(schedulers, list):
        names = [getattr(scheduler, 'monitor', None) for scheduler in schedulers]
        found += [('monitor of the scheduler', n) for n in names if n is not None]
    return found


def _validation_labels(runner: Runner) -> Optional[np.ndarray]:
    if not isinstance(runner._val_loop, BaseLoop):
        return None
    try:
        return get_gt_labels(runner.val_dataloader.dataset)
    except TypeError:  # not one label per image: a matter of the evaluator alone
        return None


def _head_classes(model: nn.Module) -> Optional[int]:
    return getattr(getattr(model, 'head', None), 'num_classes', None)
