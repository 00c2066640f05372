# Copyright (c) ccsam_mm contributors. All rights reserved.
import os.path as osp
from typing import Callable, List, Optional, Union

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmpretrain.apis import ImageClassificationInferencer
from mmpretrain.registry import METRICS
from mmpretrain.structures import DataSample

from ccsam_mm.datasets.pipelines import find_pipeline
from ccsam_mm.evaluation import OpenSetMetric
from ccsam_mm.evaluation.metrics.find_configs import open_set_configs
from ccsam_mm.evaluation.open_set import (
    ClassStatistics,
    FeatureRecorder,
    needs_distances,
    needs_prototypes,
    open_set_score_key,
    read_threshold,
    score_function,
    score_writer,
)
from ccsam_mm.evaluation.open_set.statistics_file import (
    STATISTICS_SUFFIX,
    THRESHOLDS_SUFFIX,
    beside_checkpoint,
)
from ccsam_mm.evaluation.open_set.threshold_file import warn_of_stale_thresholds

from .filled_model import build_filled_model, used_checkpoint
from .score_statistics import statistics_for_score

_DEVICE_OPTIONS = ('device_map', 'offload_folder')


class OpenSetInferencer(ImageClassificationInferencer):
    """Classify images, and mark those of unknown classes.

    It is MMPretrain's inferencer with a score and a threshold of ``OpenSetMetric``.
    The statistics that scores with prototypes need, and the threshold for
    ``threshold='auto'``, are read from files beside the checkpoint, which
    ``tools/analysis_tools/choose_threshold.py`` writes.

    Args:
        model (BaseModel | str | Config): A model name or a path to the config file, or
            a :obj:`BaseModel` object.
        pretrained (str | bool): Path to the checkpoint, which has to fill the model;
            False leaves it as it is. Defaults to True, the checkpoint that the config
            or the model name gives.
        device (str, optional): Device to run inference. Defaults to None.
        classes (Sequence[str], optional): Names of the known classes. Defaults to
            None, which takes those in the checkpoint.
        score (str | dict, optional): The score. Defaults to None, the score of the
            first ``OpenSetMetric`` in the config's ``test_evaluator``, or else 'msp'.
        threshold (float | str, optional): The least score of a known class, 'auto',
            or a JSON file of thresholds. Defaults to None, that of the config's
            ``OpenSetMetric`` with the score, or else 'auto' (0.1 for 'msp').
        **kwargs: Other keyword arguments of
            :class:`mmpretrain.apis.ImageClassificationInferencer`.

    Examples:
        >>> from mmengine.config import Config
        >>> from ccsam_mm.apis import OpenSetInferencer
        >>> model = dict(
        ...     type='ImageClassifier',
        ...     backbone=dict(type='CIFARResNet', depth=8),
        ...     neck=dict(type='GlobalAveragePooling'),
        ...     head=dict(type='LinearClsHead', num_classes=2, in_channels=64))
        >>> dataset = dict(type='DigitsLT', pipeline=[dict(type='PackInputs')])
        >>> config = Config(dict(model=model, test_dataloader=dict(dataset=dataset)))
        >>> inferencer = OpenSetInferencer(
        ...     config, pretrained=False, classes=['cat', 'dog'], threshold=0.7)
        >>> inferencer.score_key, inferencer.threshold
        ('msp', 0.7)
        >>> inferencer('photo.jpg')[0]['pred_class']  # doctest: +SKIP
        'unknown'
    """

    def __init__(
        self,
        model: Union[BaseModel, str, Config],
        pretrained: Union[bool, str] = True,
        device: Union[str, torch.device, None] = None,
        classes=None,
        score: Union[str, dict, None] = None,
        threshold: Union[float, str, None] = None,
        **kwargs,
    ) -> None:
        options = {k: kwargs.pop(k) for k in _DEVICE_OPTIONS if k in kwargs}
        model = build_filled_model(model, pretrained, **kwargs)
        super().__init__(model, False, device, classes, **options)
        trained = getattr(self.model, '_dataset_meta', None) or {}
        self._trained_classes = trained.get('classes')
        self._check_classes()
        metric = _find_metric(self.config, score)
        self.score = metric.score
        self.score_key = metric.score_key
        self._checkpoint = used_checkpoint(self.config, pretrained)
        self.threshold = self._read_threshold(
            metric.threshold if threshold is None else threshold
        )
        self._recorder = None
        if self.score_key != 'msp':
            functions = {
                self.score_key: score_function(self.score, self._load_statistics())
            }
            self._recorder = FeatureRecorder(self.model, score_writer(functions))

    def forward(self, inputs: Union[dict, tuple], **kwargs) -> List[DataSample]:
        """Feed the inputs to the model, and score its predictions.

        Args:
            inputs (dict | tuple): A batch of images.
            **kwargs: Other keyword arguments of the base class.

        Returns:
            List[DataSample]: The predictions with ``open_set_scores``.
        """
        if self._recorder is not None:
            self._recorder.arm()
        data_samples = super().forward(inputs, **kwargs)
        if self._recorder is None:
            for data_sample in data_samples:
                confidence = float(data_sample.pred_score.max())
                data_sample.open_set_scores = {'msp': confidence}
        return data_samples

    def visualize(
        self, ori_inputs: List, preds: List[DataSample], *args, **kwargs
    ) -> Optional[List[np.ndarray]]:
        """Draw the predictions, those below the threshold as -1, 'unknown'.

        Args:
            ori_inputs (List): The images.
            preds (List[DataSample]): The predictions.
            *args: Other arguments of the base class.
            **kwargs: Other keyword arguments of the base class.

        Returns:
            List[np.ndarray], optional: The drawn images.
        """
        shown = [self._as_shown(data_sample) for data_sample in preds]
        known = self.classes
        if known is not None:
            self.classes = [*known, 'unknown']  # at index -1
        try:
            return super().visualize(ori_inputs, shown, *args, **kwargs)
        finally:
            self.classes = known

    def postprocess(
        self,
        preds: List[DataSample],
        visualization: List[np.ndarray],
        return_datasamples: bool = False,
    ) -> List[Union[dict, DataSample]]:
        """Turn the predictions into dicts.

        Args:
            preds (List[DataSample]): The predictions.
            visualization (List[np.ndarray]): The drawn images.
            return_datasamples (bool): Whether to return the predictions as they are.
                Defaults to False.

        Returns:
            List[dict | DataSample]: The results of MMPretrain, with ``open_set_score``
            and ``threshold``. Where the score does not reach the threshold,
            ``pred_class`` is 'unknown' and ``pred_label`` -1.
        """
        results = super().postprocess(preds, visualization, return_datasamples)
        if return_datasamples:
            return results
        for result, data_sample in zip(results, preds):
            result['open_set_score'] = data_sample.open_set_scores[self.score_key]
            result['threshold'] = self.threshold
            if self._is_unknown(data_sample):
                result.update(pred_label=-1, pred_class='unknown')
            result.setdefault('pred_class', str(result['pred_label']))
        return results

    def _is_unknown(self, data_sample: DataSample) -> bool:
        # A score that is NaN is accepted by no threshold.
        return not data_sample.open_set_scores[self.score_key] >= self.threshold

    def _as_shown(self, data_sample: DataSample) -> DataSample:
        """Give an unknown image the label -1, with the score that rejects it."""
        if not self._is_unknown(data_sample):
            return data_sample
        scores, shown = data_sample.pred_score, data_sample.clone()
        rejected = scores.new_tensor([data_sample.open_set_scores[self.score_key]])
        # Not the setters, which check the number of classes.
        shown.set_field(torch.cat([scores, rejected]), 'pred_score')
        shown.set_field(torch.tensor([-1]), 'pred_label')
        return shown

    def _init_pipeline(self, cfg: Config) -> Callable:
        """Find the pipeline also in wrapped data sets."""
        pipeline = find_pipeline(cfg.test_dataloader.dataset)
        inner = ConfigDict(test_dataloader=dict(dataset=dict(pipeline=pipeline)))
        return super()._init_pipeline(inner)

    def _read_threshold(self, threshold: Union[float, str, None]) -> float:
        if threshold in ('auto', None):
            threshold = self._beside(THRESHOLDS_SUFFIX, "threshold='auto'")
            warn_of_stale_thresholds(threshold, self._checkpoint)
        if isinstance(threshold, str):
            return read_threshold(threshold, self.score_key, self._trained_classes)
        return float(threshold)

    def _check_classes(self) -> None:
        """Refuse names that belong to other outputs; new names are fine."""
        if self.classes is None:
            return
        number = getattr(getattr(self.model, 'head', None), 'num_classes', None)
        if number is not None and len(self.classes) != number:
            raise ValueError(
                f'OpenSetInferencer got {len(self.classes)} names of classes, but the '
                f'head has {number}: name all of them in `classes`, in the order of '
                'the training.'
            )
        own = list(self._trained_classes or ())
        for i, name in enumerate(self.classes):
            if name in own and own[i] != name:
                raise ValueError(
                    f"`classes` of OpenSetInferencer gives class {i} the name '{name}'"
                    f', which the checkpoint gives to class {own.index(name)}, and not '
                    f"'{own[i]}': keep the order of the training, or leave them out."
                )

    def _load_statistics(self) -> Optional[ClassStatistics]:
        """Read the training statistics that the score needs."""
        if not (needs_prototypes(self.score) or needs_distances(self.score)):
            return None
        path = self._beside(STATISTICS_SUFFIX, f'score={self.score!r}')
        return statistics_for_score(path, self.score, self.model)

    def _beside(self, suffix: str, what: str) -> str:
        """Name a file that belongs to the checkpoint."""
        if self._checkpoint is None:
            raise ValueError(
                f'{what} reads a file beside the checkpoint, but OpenSetInferencer got '
                'none: set `pretrained` to the path of the checkpoint.'
            )
        name = osp.splitext(osp.basename(self.config.get('filename') or ''))[0]
        work_dir = self.config.get('work_dir') or osp.join('work_dirs', name)
        return beside_checkpoint(self._checkpoint, suffix, work_dir)


def _find_metric(cfg: Config, score: Union[str, dict, None]) -> OpenSetMetric:
    """The config's metric with the score, or the first one, or a new one."""
    for metric in open_set_configs(cfg.get('test_evaluator')):
        built = METRICS.build(metric)
        if score is None or built.score_key == open_set_score_key(score):
            return built
    score = 'msp' if score is None else score
    options = {} if open_set_score_key(score) == 'msp' else dict(threshold='auto')
    return OpenSetMetric(score=score, **options)
