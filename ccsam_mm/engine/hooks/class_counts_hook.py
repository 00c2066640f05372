# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import List, Optional

from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from ccsam_mm.datasets import count_classes
from ccsam_mm.datasets.class_counts import class_names, known_class_counts
from ccsam_mm.evaluation.metrics.metric_names import check_metric_names
from ccsam_mm.utils.checkpoints import saved_dataset_meta

from .class_checks import (
    check_batch_augments,
    check_monitored_names,
    check_num_classes,
    check_validation_labels,
)
from .class_comparison import compare_checkpoint, compare_data_sets
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
    checks, as always, that the head and batch augmentations have as many classes, and
    that no validation label is beyond them. Metrics that report the same name, and a
    ``save_best`` that nothing reports, are refused before any training or evaluation.

    Labels are positions. So the class names of the training, validation and test data
    sets and of a checkpoint that is resumed, tested or continued by stage 2 have to be
    the same, or the run is refused. Where one side has no names, and where a
    fine-tuning starts from as many other classes, there is a warning.

    Args:
        check_names (bool): Whether other names are refused. False warns only, for
            classes that are the same under other names. Defaults to True.

    Examples:
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> HOOKS.build(dict(type='ClassCountsHook')).priority
        'HIGH'
    """

    # After RuntimeInfoHook, which puts the metainfo into the message hub.
    priority = 'HIGH'

    _counts: Optional[List[int]] = None

    def __init__(self, check_names: bool = True):
        self.check_names = check_names

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
        compare_data_sets(runner, self.check_names)
        dataset = runner.train_dataloader.dataset
        known = known_class_counts(dataset)
        counts = count_classes(dataset) if known is None else known
        check_num_classes(runner, counts)
        check_batch_augments(runner)
        check_validation_labels(runner, counts)
        check_monitored_names(runner, counts)
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
        """Compare the classes, and recall the counts where they are not known yet.

        Args:
            runner (Runner): The runner of the training or testing process.
            checkpoint (dict): The loaded checkpoint.
        """
        compare_checkpoint(runner, checkpoint, self.check_names)
        counts = saved_dataset_meta(checkpoint).get('class_counts')
        known = runner.message_hub.get_info('dataset_meta') or {}
        if counts is not None and 'class_counts' not in known:
            _tell_class_counts(runner, counts)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put names and counts into the checkpoint of whatever data set.

        Args:
            runner (Runner): The runner of the training process.
            checkpoint (dict): The checkpoint to save.
        """
        if not is_about_to_train(runner):
            return
        meta = checkpoint.setdefault('meta', {})
        dataset = runner.train_dataloader.dataset
        counts = known_class_counts(dataset) if self._counts is None else self._counts
        found = dict(classes=class_names(dataset), class_counts=counts)
        known = meta.get('dataset_meta') or {}
        found = {k: v for k, v in found.items() if v is not None and k not in known}
        if found:
            meta['dataset_meta'] = {**known, **found}


def _tell_class_counts(runner: Runner, counts: List[int]) -> None:
    known = runner.message_hub.get_info('dataset_meta') or {}
    runner.message_hub.update_info('dataset_meta', {**known, 'class_counts': counts})
