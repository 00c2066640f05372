# Copyright (c) ccsam_mm contributors. All rights reserved.
import logging
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from ccsam_mm.datasets.class_counts import (
    evaluated_class_counts,
    recorded_training_counts,
)
from ccsam_mm.evaluation.class_priors import (
    class_prior,
    named_priors,
    prior_accuracy,
)
from ccsam_mm.evaluation.shot_groups import check_shot_rule, shot_groups

from .closed_set_batch import check_any, check_labels, check_sample


@METRICS.register_module()
class ShotAccuracy(BaseMetric):
    """Accuracy on classes with many, a medium number and few training images.

    Reported in percent: ``top1``, the share of right predictions; ``class_mean``,
    the mean of the class accuracies; ``many``, ``medium`` and ``few``, the same mean
    over the classes of a group. Classes without a test image are in no mean, and
    groups without such a class are left out. MMPretrain's ``Accuracy`` also reports
    ``accuracy/top1``: in one evaluator, one of the two needs another ``prefix``.

    Args:
        shot_rule (str): The bounds of the groups in training images. 'strict':
            many > 100, medium 20..100, few < 20; 'inclusive': many >= 100, medium
            21..99, few <= 20. Defaults to 'strict'.
        class_counts (Sequence[int], optional): The number of training images of
            each class. Defaults to None, which takes the ``class_counts`` in the
            meta information of the evaluated data set, or else of the training
            data set.
        per_class (bool): Whether to add the lists ``per_class`` (None for a class
            without a test image) and ``class_counts`` to the results, for plots
            and reports. Defaults to False.
        test_priors (Sequence[str] | dict, optional): Test distributions to report the
            accuracy on, such as ``['forward:50', 'uniform', 'backward:50']``, which
            adds ``forward_50`` and so on; the ratios of LADE and SADE are 2, 5, 10, 25
            and 50. A dict names them, and may hold one number for each class instead.
            The formulas are in :mod:`ccsam_mm.evaluation.class_priors`. The class
            accuracies are weighted by these frequencies: that is the expectation, over
            all draws, of the accuracy on images drawn from this (balanced) test set to
            follow them, as LADE and SADE draw once. It needs a test image of each
            class. Defaults to None.
        collect_device (str): Device name used for collecting results from
            different ranks during distributed training. Must be 'cpu' or
            'gpu'. Defaults to 'cpu'.
        prefix (str, optional): The prefix that will be added in the metric
            names to disambiguate homonymous metrics of different evaluators.
            If prefix is not provided in the argument, self.default_prefix
            will be used instead. Defaults to None.

    Examples:
        >>> from ccsam_mm.evaluation import ShotAccuracy
        >>> counts = [500, 60, 4]
        >>> ShotAccuracy.calculate([0, 0, 1, 0], [0, 0, 1, 2], counts)
        ... # doctest: +NORMALIZE_WHITESPACE
        {'top1': 75.0, 'class_mean': 66.66666666666667,
         'many': 100.0, 'medium': 100.0, 'few': 0.0}
    """

    default_prefix: Optional[str] = 'accuracy'

    def __init__(
        self,
        shot_rule: str = 'strict',
        class_counts: Optional[Sequence[int]] = None,
        per_class: bool = False,
        test_priors: Union[Sequence[str], dict, None] = None,
        collect_device: str = 'cpu',
        prefix: Optional[str] = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_shot_rule(shot_rule, 'ShotAccuracy')
        self.shot_rule = shot_rule
        self.class_counts = class_counts
        self.per_class = per_class
        taken = ('top1', 'class_mean', 'many', 'medium', 'few', 'per_class')
        self.test_priors = named_priors(
            test_priors, 'ShotAccuracy', (*taken, 'class_counts')
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Process one batch of data samples.

        The processed results should be stored in ``self.results``, which will
        be used to computed the metrics when all batches have been processed.

        Args:
            data_batch: A batch of data from the dataloader.
            data_samples (Sequence[dict]): A batch of outputs from the model.
        """
        counts = self._get_class_counts()
        num_classes = len(counts)
        if not self.results:
            self._priors(counts)  # refuse other numbers of classes early
        for data_sample in data_samples:
            check_sample(data_sample, num_classes, 'ShotAccuracy')
            if 'pred_score' in data_sample:
                pred = data_sample['pred_score'].argmax()
            else:
                pred = data_sample['pred_label']
            self.results.append((int(pred), int(data_sample['gt_label'])))

    def compute_metrics(self, results: list) -> dict:
        """Compute the metrics from processed results.

        Args:
            results (list): The processed results of each batch.

        Returns:
            dict: The computed metrics. The keys are the names of the metrics,
            and the values are corresponding results.
        """
        # NOTICE: don't access `self.results` from the method.
        pred, target = np.asarray(results, dtype=np.int64).reshape(-1, 2).T
        check_any(target, 'ShotAccuracy')
        counts = self._get_class_counts()
        self._warn_if_trained_on_others(counts)
        metrics = self.calculate(pred, target, counts, self.shot_rule)
        accuracy = self.class_accuracy(pred, target, len(counts))
        for name, prior in self._priors(counts).items():
            metrics[name] = self._prior_accuracy(name, accuracy, prior)
        if self.per_class:
            # None and not NaN, which JSON does not know.
            metrics['per_class'] = [None if np.isnan(a) else float(a) for a in accuracy]
            metrics['class_counts'] = counts
        return metrics

    @staticmethod
    def calculate(
        pred: Union[np.ndarray, Sequence[int]],
        target: Union[np.ndarray, Sequence[int]],
        class_counts: Sequence[int],
        shot_rule: str = 'strict',
    ) -> dict[str, float]:
        """Calculate the accuracies.

        Args:
            pred (np.ndarray | Sequence[int]): The predicted labels with shape
                ``(N, )``.
            target (np.ndarray | Sequence[int]): The true labels with shape
                ``(N, )``.
            class_counts (Sequence[int]): The number of training images of each
                class.
            shot_rule (str): 'strict' or 'inclusive'. Defaults to 'strict'.

        Returns:
            dict[str, float]: ``top1``, ``class_mean`` and those of ``many``,
            ``medium`` and ``few`` that have tested classes, in percent.
        """
        check_shot_rule(shot_rule, 'ShotAccuracy')
        accuracy = ShotAccuracy.class_accuracy(pred, target, len(class_counts))
        tested = ~np.isnan(accuracy)
        groups = {'class_mean': tested, **shot_groups(class_counts, shot_rule)}
        metrics = {'top1': 100 * float(np.mean(np.equal(pred, target)))}
        for name, group in groups.items():
            if (tested & group).any():
                metrics[name] = float(accuracy[tested & group].mean())
        return metrics

    @staticmethod
    def class_accuracy(
        pred: Union[np.ndarray, Sequence[int]],
        target: Union[np.ndarray, Sequence[int]],
        num_classes: int,
    ) -> np.ndarray:
        """Calculate the accuracy on each class.

        Args:
            pred (np.ndarray | Sequence[int]): The predicted labels with shape
                ``(N, )``.
            target (np.ndarray | Sequence[int]): The true labels with shape
                ``(N, )``.
            num_classes (int): The number of classes K.

        Returns:
            np.ndarray: Percentages with shape ``(K, )``, NaN for a class without
            a test image.
        """
        pred, target = np.asarray(pred), np.asarray(target)
        check_labels(target, num_classes, 'ShotAccuracy')
        total = np.bincount(target, minlength=num_classes)
        right = np.bincount(target[pred == target], minlength=num_classes)
        accuracy = np.full(num_classes, np.nan)
        np.divide(100 * right, total, out=accuracy, where=total > 0)
        return accuracy

    def _priors(self, counts: list[int]) -> dict[str, np.ndarray]:
        """Class frequencies of the test distributions, by name."""
        return {
            name: class_prior(
                spec, counts, f"'{name}' in `test_priors` of ShotAccuracy"
            )
            for name, spec in self.test_priors.items()
        }

    def _prior_accuracy(
        self, name: str, accuracy: np.ndarray, prior: np.ndarray
    ) -> float:
        missing = np.flatnonzero(np.isnan(accuracy) & (prior > 0))
        if len(missing):
            raise ValueError(
                f"'{name}' in `test_priors` of ShotAccuracy needs a test image of each "
                f'class, but class {missing[0]} has none ({len(missing)} of '
                f'{len(prior)} classes): leave it out, or evaluate on a set with all '
                'classes.'
            )
        return prior_accuracy(accuracy, prior)

    def _get_class_counts(self) -> list[int]:
        """Find the training counts: argument, evaluated data, training data."""
        counts = evaluated_class_counts(self.class_counts, self.dataset_meta)
        if counts is None:
            raise ValueError(
                'ShotAccuracy does not know how many training images each class has: '
                "add class_counts=dict(type='ClassCountsHook') to `default_hooks` of "
                'the training, wrap the evaluated data set in `LongTailed` with '
                '`reference=<config of the training set>`, or set `class_counts` of '
                'ShotAccuracy.'
            )
        return counts

    def _warn_if_trained_on_others(self, counts: list[int]) -> None:
        """Warn of a config that changes the imbalance of one split alone."""
        training = recorded_training_counts()
        if self.class_counts is None and training not in (None, counts):
            print_log(
                "The evaluated data set's class_counts differ from the training "
                "set's, and ShotAccuracy groups the classes by the former: give both "
                'data sets the same `imbalance_ratio`, `imbalance_type` and `seed`, '
                'or set `class_counts` of ShotAccuracy.',
                logger='current',
                level=logging.WARNING,
            )
