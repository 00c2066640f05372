# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Optional, Union

from mmpretrain.registry import METRICS

from ccsam_mm.evaluation.open_set import choose_threshold, plot_open_set

from .open_set_batch import results_as_arrays
from .open_set_metric import OpenSetMetric


@METRICS.register_module()
class ThresholdChooser(OpenSetMetric):
    """Choose the threshold of ``OpenSetMetric`` on the evaluated images.

    They must not be test images; ``tools/analysis_tools/choose_threshold.py`` ensures
    that.

    Args:
        criterion (str): As in :func:`ccsam_mm.evaluation.open_set.choose_threshold`.
            Defaults to 'f_measure'.
        score (str | dict): The score. Defaults to 'msp'.
        picture (str, optional): The picture of all thresholds to write. Defaults to
            None.
        collect_device (str): Device name used for collecting results from
            different ranks during distributed training. Must be 'cpu' or
            'gpu'. Defaults to 'cpu'.
        prefix (str, optional): The prefix that will be added in the metric
            names to disambiguate homonymous metrics of different evaluators.
            If prefix is not provided in the argument, self.default_prefix
            will be used instead. Defaults to None.

    Examples:
        >>> from mmpretrain.registry import METRICS
        >>> import ccsam_mm
        >>> chooser = METRICS.build(dict(type='ThresholdChooser', score='energy'))
        >>> results = [(0, 0, 7.5), (1, 1, 4.0), (1, -1, 2.0)]
        >>> chooser.compute_metrics(results)['threshold']
        4.0
    """

    def __init__(
        self,
        criterion: str = 'f_measure',
        score: Union[str, dict] = 'msp',
        picture: Optional[str] = None,
        collect_device: str = 'cpu',
        prefix: Optional[str] = None,
    ) -> None:
        super().__init__(score=score, collect_device=collect_device, prefix=prefix)
        self.criterion = criterion
        self.picture = picture

    def compute_metrics(self, results: list) -> dict:
        """Choose the threshold from processed results.

        Args:
            results (list): The processed results of each batch.

        Returns:
            dict: The result of :func:`ccsam_mm.evaluation.open_set.choose_threshold`.
        """
        pred, target, score = results_as_arrays(results)
        choice = choose_threshold(pred, target, score, self.criterion)
        if self.picture is not None:
            plot_open_set(
                pred, target, score, choice['threshold'], self.picture, self.score_key
            )
        return choice
