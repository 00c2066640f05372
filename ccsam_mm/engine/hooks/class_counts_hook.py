# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import List, Optional

from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from mmpretrain.registry import HOOKS

from ccsam_mm.datasets import count_classes, get_gt_labels
from ccsam_mm.datasets.class_counts import known_class_counts
from ccsam_mm.evaluation.metrics.metric_names import check_metric_names

from .utils import is_about_to_train


@HOOKS.register_module()
class ClassCountsHook(Hook):
    """Count the training images per class for data sets that don't say it.

    The long-tailed data sets of this package carry ``metainfo['class_counts']``. For
    any other one, such as a folder of images, and for several ones that are joined,
    this hook counts the training labels when the training starts, and puts the counts
    where MMEngine keeps the metainfo of the training data set: in its message hub,
    from which ``CCSAMOptimWrapper`` and ``ShotAccuracy`` read, and in the checkpoints.
    In a test it recalls the counts from the checkpoint. Where they are known it only
    checks, as always, that the head has as many classes, and that no validation label
    is beyond them. Metrics that report the same name are refused before any training or
    evaluation.

    Examples:
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> HOOKS.build(dict(type='ClassCountsHook')).priority
        'HIGH'
    """

    # After RuntimeInfoHook, which puts the metainfo into the message hub.
    priority = 'HIGH'

    _counts: Optional[List[int]] = None

    def before_run(self, runner: Runner) -> None:
        """Count the labels of the training data set.

        Args:
            runner (Runner): The runner of the training or testing process.
        """
        for loop in (runner._val_loop, runner._test_loop):
            evaluator = getattr(loop, 'evaluator', None)
            # A subclass may add the names of data sets.
            if type(evaluator) is Evaluator:
                check_metric_names(evaluator.metrics)
        if not is_about_to_train(runner):
            return
        dataset = runner.train_dataloader.dataset
        known = known_class_counts(dataset)
        counts = count_classes(dataset) if known is None else known
        _check_num_classes(runner, counts)
        _check_validation_labels(runner, counts)
        if known is not None:
            return
        self._counts = counts
        runner.logger.info(
            f'Counted the training images: {sum(self._counts)} in '
            f'{len(self._counts)} classes, from {max(self._counts)} to '
            f'{min(self._counts)} per class.'
        )
        # MMEngine writes the metainfo into checkpoints; the property is a copy.
        if isinstance(getattr(dataset, '_metainfo', None), dict):
            dataset._metainfo['class_counts'] = self._counts

    def before_train(self, runner: Runner) -> None:
        """Put the counts into the message hub.

        Args:
            runner (Runner): The runner of the training process.
        """
        if self._counts is not None:
            _tell_class_counts(runner, self._counts)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Recall the counts from a checkpoint where they are not known yet.

        Args:
            runner (Runner): The runner of the training or testing process.
            checkpoint (dict): The loaded checkpoint.
        """
        recorded = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        known = runner.message_hub.get_info('dataset_meta') or {}
        if recorded.get('class_counts') is not None and 'class_counts' not in known:
            _tell_class_counts(runner, recorded['class_counts'])


def _check_num_classes(runner: Runner, counts: List[int]) -> None:
    """Refuse a head of other classes before its loss meets a label without a logit."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    num_classes = getattr(getattr(model, 'head', None), 'num_classes', None)
    if num_classes is not None and num_classes != len(counts):
        raise ValueError(
            f'The training data set has {len(counts)} classes, but the head has '
            f'{num_classes}: set model.head.num_classes (and data_preprocessor.'
            f'num_classes) to {len(counts)}.'
        )


def _check_validation_labels(runner: Runner, counts: List[int]) -> None:
    """Refuse labels of other classes before an epoch is spent on the way to them."""
    if not isinstance(runner._val_loop, BaseLoop):
        return
    try:
        labels = get_gt_labels(runner.val_dataloader.dataset)
    except TypeError:  # not one label per image: a matter of the evaluator alone
        return
    # Negative labels are the unknown classes of open sets.
    beyond = (labels >= len(counts)).nonzero()[0]
    if len(beyond):
        raise ValueError(
            f'The validation data set gives its image {beyond[0]} the label '
            f'{labels[beyond[0]]}, but the training data set has {len(counts)} '
            'classes: correct the annotation of val_dataloader.dataset, or give both '
            'data sets the same `metainfo=dict(classes=...)`.'
        )


def _tell_class_counts(runner: Runner, counts: List[int]) -> None:
    known = runner.message_hub.get_info('dataset_meta') or {}
    runner.message_hub.update_info('dataset_meta', {**known, 'class_counts': counts})
