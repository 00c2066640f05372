# Copyright (c) ccsam_mm contributors. All rights reserved.
import logging
import math
import os.path as osp
import re
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from ccsam_mm.datasets.class_counts import evaluated_class_counts
from ccsam_mm.evaluation.calibration import (
    calibration_errors,
    plot_reliability,
    reliability_bins,
)
from ccsam_mm.evaluation.calibration.bins import NUM_BINS
from ccsam_mm.evaluation.shot_groups import check_shot_rule, shot_groups
from ccsam_mm.utils.config_types import is_count

from .closed_set_batch import check_any, check_sample
from .report_folder import report_folder


@METRICS.register_module()
class CalibrationMetric(BaseMetric):
    """How well the confidence of a classifier agrees with its accuracy.

    The confidence of an image is its largest ``pred_score``. In percent: ``ece`` and
    ``mce``, the expected and the maximum calibration error over bins of equal width;
    ``confidence``, its mean, to compare with the accuracy; ``ece_many``,
    ``ece_medium`` and ``ece_few``, the expected error on the images of a group of
    classes, left out where there are none. In natural units: ``nll``, the mean negative
    log probability of the label, and ``brier``, the mean squared distance between the
    probabilities and the label as a unit vector. The formulas are in
    :mod:`ccsam_mm.evaluation.calibration`.

    Args:
        num_bins (int): The number of bins. Defaults to 15, as in `MiSLAS
            <https://arxiv.org/abs/2104.00466>`_.
        plot (bool | str): Whether to draw the reliability diagram, ``<prefix>.png``,
            beside the log or into the folder of this name. Defaults to False.
        shot_rule (str): The bounds of the groups, 'strict' or 'inclusive', as in
            :class:`ShotAccuracy`. Defaults to 'strict'.
        class_counts (Sequence[int], optional): The number of training images of
            each class. Defaults to None, which takes the ``class_counts`` in the
            meta information of the evaluated data set, or else of the training
            data set; without any, there are no groups.
        collect_device (str): Device name used for collecting results from
            different ranks during distributed training. Must be 'cpu' or
            'gpu'. Defaults to 'cpu'.
        prefix (str, optional): The prefix that will be added in the metric
            names to disambiguate homonymous metrics of different evaluators.
            If prefix is not provided in the argument, self.default_prefix
            will be used instead. Defaults to None.

    Examples:
        >>> from ccsam_mm.evaluation import CalibrationMetric
        >>> metrics = CalibrationMetric.calculate(
        ...     confidence=[0.9, 0.9, 0.6], right=[1, 0, 1], target=[0, 0, 1],
        ...     class_counts=[500, 5])
        >>> {name: round(value, 1) for name, value in metrics.items()}
        ... # doctest: +NORMALIZE_WHITESPACE
        {'ece': 40.0, 'mce': 40.0, 'confidence': 80.0,
         'ece_many': 40.0, 'ece_few': 40.0}
    """

    default_prefix: Optional[str] = 'calibration'

    def __init__(
        self,
        num_bins: int = NUM_BINS,
        plot: Union[bool, str] = False,
        shot_rule: str = 'strict',
        class_counts: Optional[Sequence[int]] = None,
        collect_device: str = 'cpu',
        prefix: Optional[str] = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_shot_rule(shot_rule, 'CalibrationMetric')
        if not is_count(num_bins):
            raise ValueError(
                f'num_bins={num_bins!r} is no number of bins: set `num_bins` of '
                'CalibrationMetric to an integer >= 1.'
            )
        self.num_bins = num_bins
        self.plot = plot
        self.shot_rule = shot_rule
        self.class_counts = class_counts

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Process one batch of data samples.

        The processed results should be stored in ``self.results``, which will
        be used to computed the metrics when all batches have been processed.

        Args:
            data_batch: A batch of data from the dataloader.
            data_samples (Sequence[dict]): A batch of outputs from the model.
        """
        if not self.results:
            self._picture_path()  # refuse a missing folder before all images are seen
        counts = evaluated_class_counts(self.class_counts, self.dataset_meta)
        for sample in data_samples:
            if 'pred_score' not in sample:
                raise ValueError(
                    'CalibrationMetric needs probabilities, but the model gives no '
                    '`pred_score`: take it out of `val_evaluator` and '
                    '`test_evaluator`.'
                )
            num_classes = len(counts or sample['pred_score'])
            check_sample(sample, num_classes, 'CalibrationMetric')
        scores = torch.stack([sample['pred_score'] for sample in data_samples])
        target = torch.cat([sample['gt_label'] for sample in data_samples])
        self.results.extend(_results(scores.cpu().double(), target.cpu()))

    def compute_metrics(self, results: list) -> dict:
        """Compute the metrics from processed results.

        Args:
            results (list): The processed results of each batch.

        Returns:
            dict: The computed metrics. The keys are the names of the metrics,
            and the values are corresponding results.
        """
        # NOTICE: don't access `self.results` from the method.
        check_any(results, 'CalibrationMetric')
        confidence, right, target, nll, brier = np.asarray(results).T
        counts = evaluated_class_counts(self.class_counts, self.dataset_meta)
        _warn_of_cosines(confidence, counts)
        given = (confidence, right, target, counts, self.shot_rule, self.num_bins)
        metrics = self.calculate(*given)
        metrics.update(nll=float(nll.mean()), brier=float(brier.mean()))
        path = self._picture_path()
        if path:
            plot_reliability(self.group_bins(*given), path)
            print_log(f'{path} is the reliability diagram.', 'current')
        return metrics

    @staticmethod
    def calculate(
        confidence: Union[np.ndarray, Sequence[float]],
        right: Union[np.ndarray, Sequence[bool]],
        target: Union[np.ndarray, Sequence[int]],
        class_counts: Optional[Sequence[int]] = None,
        shot_rule: str = 'strict',
        num_bins: int = NUM_BINS,
    ) -> dict[str, float]:
        """Calculate the errors.

        Args:
            confidence (np.ndarray | Sequence[float]): The largest probabilities with
                shape ``(N, )``.
            right (np.ndarray | Sequence[bool]): Whether their classes are right, with
                shape ``(N, )``.
            target (np.ndarray | Sequence[int]): The true labels with shape ``(N, )``.
            class_counts (Sequence[int], optional): The number of training images of
                each class. Defaults to None, without groups.
            shot_rule (str): 'strict' or 'inclusive'. Defaults to 'strict'.
            num_bins (int): The number of bins. Defaults to 15.

        Returns:
            dict[str, float]: ``ece``, ``mce``, ``confidence``, and ``ece_many``,
            ``ece_medium`` and ``ece_few`` of the groups with images, in percent.
        """
        bins = CalibrationMetric.group_bins(
            confidence, right, target, class_counts, shot_rule, num_bins
        )
        errors = {name: calibration_errors(group) for name, group in bins.items()}
        metrics = errors.pop('all')
        metrics['confidence'] = 100 * float(np.mean(confidence))
        metrics.update({f'ece_{name}': group['ece'] for name, group in errors.items()})
        return metrics

    @staticmethod
    def group_bins(
        confidence: Union[np.ndarray, Sequence[float]],
        right: Union[np.ndarray, Sequence[bool]],
        target: Union[np.ndarray, Sequence[int]],
        class_counts: Optional[Sequence[int]] = None,
        shot_rule: str = 'strict',
        num_bins: int = NUM_BINS,
    ) -> dict[str, dict[str, np.ndarray]]:
        """Divide all images, and those of each group, by their confidence.

        Args:
            confidence (np.ndarray | Sequence[float]): As for :meth:`calculate`.
            right (np.ndarray | Sequence[bool]): As for :meth:`calculate`.
            target (np.ndarray | Sequence[int]): As for :meth:`calculate`.
            class_counts (Sequence[int], optional): As for :meth:`calculate`.
            shot_rule (str): As for :meth:`calculate`.
            num_bins (int): As for :meth:`calculate`.

        Returns:
            dict[str, dict[str, np.ndarray]]: Results of
            :func:`~ccsam_mm.evaluation.calibration.reliability_bins` of ``all``,
            ``many``, ``medium`` and ``few``.
        """
        confidence, right = np.asarray(confidence), np.asarray(right)
        target = np.asarray(target, dtype=np.int64)
        masks = {'all': np.full(len(target), True)}
        if class_counts is not None:
            groups = shot_groups(class_counts, shot_rule)
            masks.update({name: group[target] for name, group in groups.items()})
        return {
            name: reliability_bins(confidence[mask], right[mask], num_bins)
            for name, mask in masks.items()
            if mask.any()
        }

    def _picture_path(self) -> Optional[str]:
        folder = report_folder(self.plot, 'CalibrationMetric', 'plot')
        name = re.sub(r'[^\w.-]+', '_', self.prefix)
        return folder and osp.join(folder, f'{name}.png')


def _warn_of_cosines(confidence: np.ndarray, counts: Optional[Sequence[int]]) -> None:
    """A softmax of numbers from -1 to 1 is never certain, however right they are."""
    most = math.e**2 / (math.e**2 + len(counts or ()) - 1)
    if counts and confidence.max() <= most + 1e-6:  # single precision
        print_log(
            f'No image has a confidence above {most:.3g}, the largest of a softmax of '
            'cosines: if the scores are cosines, which the losses of LDAM and GCL '
            'scale, calibration errors mean something only after temperature scaling '
            '(tools/analysis_tools/post_hoc.py).',
            'current',
            logging.WARNING,
        )


def _results(scores: torch.Tensor, target: torch.Tensor) -> list[tuple]:
    """Confidence, correctness, label, negative log likelihood and Brier score."""
    off = (scores.sum(dim=1) - 1).abs().max()
    if off > 1e-2 or scores.min() < 0:
        raise ValueError(
            'CalibrationMetric needs probabilities that add up to 1, but those of an '
            f'image are {float(off):.3g} off, or negative: take it out of '
            '`val_evaluator` and `test_evaluator`, or use a head that predicts a '
            'softmax.'
        )
    confidence, pred = scores.max(dim=1)
    # The logarithm of 0, to which a probability may be rounded, would be infinite.
    tiny = torch.finfo(torch.float32).tiny
    nll = -scores.gather(1, target[:, None])[:, 0].clamp(min=tiny).log()
    ideal = torch.nn.functional.one_hot(target, scores.shape[1])
    brier = (scores - ideal).square().sum(dim=1)
    columns = (confidence, pred == target, target, nll, brier)
    return list(zip(*(column.tolist() for column in columns)))
