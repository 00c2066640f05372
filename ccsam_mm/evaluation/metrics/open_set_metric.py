# Copyright (c) ccsam_mm contributors. All rights reserved.
import logging
import os.path as osp
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from ccsam_mm.datasets.class_counts import evaluated_class_counts
from ccsam_mm.evaluation.open_set import (
    auroc,
    fpr_at_tpr,
    open_set_curve,
    open_set_score_key,
    oscr,
    read_threshold,
    write_open_set_report,
)
from ccsam_mm.evaluation.shot_groups import check_shot_rule

from .open_set_batch import batch_scores, batch_targets, results_as_arrays
from .report_folder import report_folder
from .shot_accuracy import ShotAccuracy


@METRICS.register_module()
class OpenSetMetric(BaseMetric):
    """Recognition of known classes among images of known and unknown ones.

    The label -1 marks an image of an unknown class. An image is accepted where its
    score, higher for what seems known, is at least the threshold, and then belongs to
    the class of the largest ``pred_score``.

    Fractions: ``f_measure`` and ``f_measure_legacy``, F by OLTR's corrected and older
    rule; ``f_floor``, the least that F can be at this ``accuracy``, that of accepting
    every unknown; ``f_accept_all``, F without any rejection; ``auroc``, ``fpr95`` and
    ``oscr``, which need no threshold; ``known_accepted`` and ``unknown_accepted``, the
    accepted shares. The formulas are in :mod:`ccsam_mm.evaluation.open_set`.

    In percent, as :class:`ShotAccuracy` reports, and on the known images alone:
    ``accuracy``, where rejection counts as a mistake; ``many``, ``medium`` and ``few``,
    the mean of these class accuracies over a group; ``top1``, without rejection.

    Several of them in one evaluator, for several scores, need a ``prefix`` each.

    Args:
        threshold (float | str, optional): The least score of an accepted image; the
            name of a JSON file of ``tools/analysis_tools/choose_threshold.py``; or
            'auto' for the file beside the tested checkpoint, which ``OpenSetHook``
            finds. Chosen on a validation split, never on the test images. None leaves
            out all that depends on a threshold. Defaults to 0.1, OLTR's.
        score (str | dict): The score, such as 'msp', the largest softmax probability,
            or ``dict(type='energy', temperature=2.0)``. All but 'msp' need
            ``OpenSetHook``, which lists them. Defaults to 'msp'.
        curve (bool | str): Whether to write the results and what every threshold would
            give as ``<prefix>_<score>.json`` and ``.png``, beside the log or into the
            folder of this name. Defaults to False.
        shot_rule (str): The bounds of the groups, 'strict' or 'inclusive', as in
            :class:`ShotAccuracy`. Defaults to 'strict'.
        class_counts (Sequence[int], optional): The number of training images of
            each class. Defaults to None, which takes the ``class_counts`` in the
            meta information of the evaluated data set, or else of the training
            data set.
        collect_device (str): Device name used for collecting results from
            different ranks during distributed training. Must be 'cpu' or
            'gpu'. Defaults to 'cpu'.
        prefix (str, optional): The prefix that will be added in the metric
            names to disambiguate homonymous metrics of different evaluators.
            If prefix is not provided in the argument, self.default_prefix
            will be used instead. Defaults to None.

    Examples:
        >>> from ccsam_mm.evaluation import OpenSetMetric
        >>> pred, target = [0, 0, 1, 1, 0, 1], [0, 0, 1, 0, -1, -1]
        >>> score = [0.9, 0.4, 0.8, 0.6, 0.7, 0.1]
        >>> metrics = OpenSetMetric.calculate(pred, target, score, threshold=0.5)
        >>> {key: round(metrics[key], 3) for key in ('f_measure', 'f_floor', 'auroc')}
        {'f_measure': 0.571, 'f_floor': 0.5, 'auroc': 0.75}
        >>> metrics['accuracy'], metrics['top1']
        (50.0, 75.0)
    """

    default_prefix: Optional[str] = 'openset'

    def __init__(
        self,
        threshold: Union[float, str, None] = 0.1,
        score: Union[str, dict] = 'msp',
        curve: Union[bool, str] = False,
        shot_rule: str = 'strict',
        class_counts: Optional[Sequence[int]] = None,
        collect_device: str = 'cpu',
        prefix: Optional[str] = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_shot_rule(shot_rule, 'OpenSetMetric')
        is_number = isinstance(threshold, Real) and np.isfinite(threshold)
        if not (threshold is None or is_number or isinstance(threshold, str)):
            raise ValueError(
                f'threshold={threshold} is not a finite number: set `threshold` of '
                "OpenSetMetric to one, to 'auto', to a file of thresholds or to None."
            )
        self.threshold = threshold
        self.score = score
        self.score_key = open_set_score_key(score)
        self.curve = curve
        self.shot_rule = shot_rule
        self.class_counts = class_counts
        # OpenSetHook sets it for threshold='auto'.
        self.threshold_file: Optional[str] = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Process one batch of data samples.

        The processed results should be stored in ``self.results``, which will
        be used to computed the metrics when all batches have been processed.

        Args:
            data_batch: A batch of data from the dataloader.
            data_samples (Sequence[dict]): A batch of outputs from the model.
        """
        if not self.results:
            # Report a missing file before all images have been through the model.
            self._get_threshold()
            self._get_report_path()
        # One tensor operation for the batch: image by image would take longer than the
        # model.
        scores = torch.stack([sample['pred_score'] for sample in data_samples])
        confidence, pred = scores.max(dim=1)
        target = batch_targets(data_samples, num_classes=scores.shape[1])
        self._check_class_counts(scores.shape[1])
        score = batch_scores(data_samples, self.score_key, confidence)
        self.results.extend(zip(pred.tolist(), target.tolist(), score))

    def compute_metrics(self, results: list) -> dict:
        """Compute the metrics from processed results.

        Args:
            results (list): The processed results of each batch.

        Returns:
            dict: The computed metrics. The keys are the names of the metrics,
            and the values are corresponding results.
        """
        # NOTICE: don't access `self.results` from the method.
        pred, target, score = results_as_arrays(results)
        counts = evaluated_class_counts(self.class_counts, self.dataset_meta)
        metrics = self.calculate(
            pred, target, score, self._get_threshold(), counts, self.shot_rule
        )
        self._warn_if_useless(metrics, score, counts)
        path = self._get_report_path()
        if path:
            write_open_set_report(path, pred, target, score, metrics, self.score_key)
            print_log(f'{path} and its picture show the open-set curve.', 'current')
        return metrics

    @staticmethod
    def calculate(
        pred: Union[np.ndarray, Sequence[int]],
        target: Union[np.ndarray, Sequence[int]],
        score: Union[np.ndarray, Sequence[float]],
        threshold: Optional[float] = 0.1,
        class_counts: Optional[Sequence[int]] = None,
        shot_rule: str = 'strict',
    ) -> dict[str, float]:
        """Calculate the measures.

        Args:
            pred (np.ndarray | Sequence[int]): The predicted classes with shape
                ``(N, )``.
            target (np.ndarray | Sequence[int]): The true classes with shape
                ``(N, )``, -1 for an image of an unknown class.
            score (np.ndarray | Sequence[float]): The scores with shape ``(N, )``,
                higher for what seems known.
            threshold (float, optional): The least score of an accepted image. None
                leaves out what depends on it. Defaults to 0.1.
            class_counts (Sequence[int], optional): The number of training images of
                each class. Defaults to None, which leaves the groups out.
            shot_rule (str): 'strict' or 'inclusive'. Defaults to 'strict'.

        Returns:
            dict[str, float]: The measures that the class lists.
        """
        pred, target = np.asarray(pred), np.asarray(target)
        # In one precision: a threshold in between would divide curve and groups.
        score = np.asarray(score, float)
        curve = open_set_curve(pred, target, score)
        metrics = dict(
            f_accept_all=float(curve['f_measure'][-1]),
            auroc=auroc(curve),
            fpr95=fpr_at_tpr(curve, 0.95),
            oscr=oscr(curve),
            top1=100 * float(curve['ccr'][-1]),
        )
        if threshold is None:
            return metrics
        chosen = np.flatnonzero(curve['threshold'] >= threshold)[-1]
        at = {key: float(values[chosen]) for key, values in curve.items()}
        metrics = dict(
            f_measure=at['f_measure'],
            f_measure_legacy=at['f_measure_legacy'],
            f_floor=at['f_floor'],
            **metrics,
            threshold=float(threshold),
            known_accepted=at['tpr'],
            unknown_accepted=at['fpr'],
            accuracy=100 * at['ccr'],
        )
        if class_counts is not None:
            known, accepted = target >= 0, np.where(score >= threshold, pred, -1)
            groups = ShotAccuracy.calculate(
                accepted[known], target[known], class_counts, shot_rule
            )
            names = [name for name in ('many', 'medium', 'few') if name in groups]
            metrics.update({name: groups[name] for name in names})
        return metrics

    def _get_threshold(self) -> Optional[float]:
        """Read the threshold, anew at every evaluation."""
        if not isinstance(self.threshold, str):
            return self.threshold
        path = self.threshold if self.threshold != 'auto' else self.threshold_file
        if path is None:
            raise ValueError(
                "OpenSetMetric has threshold='auto', but no hook that finds the file: "
                "add dict(type='OpenSetHook') to `custom_hooks`, or set `threshold` to "
                'a number or to the name of the file.'
            )
        classes = (self.dataset_meta or {}).get('classes')
        return read_threshold(path, self.score_key, classes)

    def _get_report_path(self) -> Optional[str]:
        """Name the JSON file, if there is to be one."""
        folder = report_folder(self.curve, 'OpenSetMetric', 'curve')
        if folder is None:
            return None
        name = re.sub(r'[^\w.-]+', '_', f'{self.prefix}_{self.score_key}').strip('_')
        return osp.join(folder, f'{name}.json')

    def _check_class_counts(self, num_classes: int) -> None:
        counts = evaluated_class_counts(self.class_counts, self.dataset_meta)
        if counts is not None and len(counts) != num_classes:
            raise ValueError(
                f'The model scores {num_classes} classes, but class_counts has '
                f'{len(counts)}: make `num_classes` of the head and the evaluated '
                "data set's `class_counts` agree; unknown classes are in neither."
            )

    def _warn_if_useless(
        self, metrics: dict, score: np.ndarray, counts: Optional[list]
    ) -> None:
        """Warn of a threshold that separates nothing, and of missing groups."""
        if self.threshold is None:
            return
        shares = metrics['known_accepted'], metrics['unknown_accepted']
        if shares in ((0, 0), (1, 1)):
            effect = 'accepts every image' if shares[0] else 'rejects every image'
            _warn(
                f'The threshold {metrics["threshold"]:g} on {self.score_key} {effect}, '
                f'whose scores are between {score.min():g} and {score.max():g}: choose '
                '`threshold` of OpenSetMetric on the validation split with '
                'tools/analysis_tools/choose_threshold.py.'
            )
        if counts is None:
            _warn(
                'OpenSetMetric leaves many, medium and few out, not knowing how many '
                'training images each class has: set its `class_counts`.'
            )


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
