# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Dict, List, Optional

from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ccsam_mm.evaluation import OpenSetMetric
from ccsam_mm.evaluation.open_set import (
    FeatureRecorder,
    needs_distances,
    needs_prototypes,
    score_function,
    score_writer,
)
from ccsam_mm.evaluation.open_set.statistics_file import (
    THRESHOLDS_SUFFIX,
    beside_checkpoint,
)
from ccsam_mm.evaluation.open_set.table import open_set_table
from ccsam_mm.evaluation.open_set.threshold_file import warn_of_stale_thresholds

from .training_statistics import TrainingSet, training_statistics
from .utils import is_about_to_train


@HOOKS.register_module()
class OpenSetHook(Hook):
    """Give images the scores that ``OpenSetMetric`` asks for.

    Scores, higher for what seems known: 'msp', 'max_logit', 'energy', 'proto_cosine',
    'proto_euclidean', 'hybrid' and 'openmax', or a dict with one of them as ``type``
    and options. The formulas and options are those of the functions of these names, and
    of :class:`OpenMax`, in :mod:`ccsam_mm.evaluation.open_set`. The head has to end in
    one linear layer.

    Scores with prototypes and 'openmax' need statistics of the training images, which
    the model sees (once; twice for 'openmax'), with the pipeline of the test. They
    are kept as ``<checkpoint>.open_set.pth`` beside the checkpoint, or in the work
    directory where that cannot be written to, and used again as long as weights, data
    set, labels and pipeline are the same. Validation during training has other weights
    each time, and keeps nothing.

    It also tells ``OpenSetMetric(threshold='auto')`` where the thresholds of this
    checkpoint are: ``<checkpoint>.open_set.json``. After a test, a table in the log has
    one row for each score. Score 'msp' with a number as threshold works without this
    hook.

    Args:
        train_dataset (dict, optional): The training data set. Its pipeline is replaced
            by that of the test. Defaults to None, the data set of
            ``train_dataloader``.

    Examples:
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> custom_hooks = [dict(type='OpenSetHook')]
        >>> HOOKS.build(custom_hooks[0]).train_dataset is None
        True
    """

    # After EMAHook has put the averaged weights in place.
    priority = 'LOW'

    def __init__(self, train_dataset: Optional[dict] = None):
        self.train_dataset = train_dataset
        self._recorder: Optional[FeatureRecorder] = None

    def before_train(self, runner: Runner) -> None:
        """Refuse now what the first validation would refuse.

        Args:
            runner (Runner): The runner of the training process.
        """
        if runner.val_loop is not None:
            for metric in _open_set_metrics(runner.val_loop.evaluator):
                _tell_threshold_file(metric, None)

    def before_test_epoch(self, runner: Runner) -> None:
        """Prepare the scores that the test needs.

        Args:
            runner (Runner): The runner of the testing process.
        """
        loop = runner.test_loop
        self._prepare(runner, loop.evaluator, loop.dataloader, 'test_dataloader')

    def before_val_epoch(self, runner: Runner) -> None:
        """Prepare the scores that the validation needs.

        Args:
            runner (Runner): The runner of the validation process.
        """
        loop = runner.val_loop
        self._prepare(runner, loop.evaluator, loop.dataloader, 'val_dataloader')

    def before_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Optional[dict] = None
    ) -> None:
        """Watch the prediction of a batch.

        Args:
            runner (Runner): The runner of the testing process.
            batch_idx (int): The index of the current batch.
            data_batch (dict, optional): Data from the data loader. Defaults to None.
        """
        if self._recorder is not None:
            self._recorder.arm()

    before_val_iter = before_test_iter

    def after_test_epoch(
        self, runner: Runner, metrics: Optional[Dict[str, float]] = None
    ) -> None:
        """Let go of the model, and show the results as a table.

        Args:
            runner (Runner): The runner of the testing process.
            metrics (dict, optional): The results. Defaults to None.
        """
        self._recorder = None
        results = _results_by_score(runner.test_loop.evaluator, metrics or {})
        if results:
            runner.logger.info(f'Open-set recognition:\n{open_set_table(results)}')

    def after_val_epoch(
        self, runner: Runner, metrics: Optional[Dict[str, float]] = None
    ) -> None:
        """Let go of the model.

        Args:
            runner (Runner): The runner of the validation process.
            metrics (dict, optional): The results. Defaults to None.
        """
        self._recorder = None

    def _prepare(
        self, runner: Runner, evaluator: Evaluator, dataloader: DataLoader, key: str
    ) -> None:
        """Do what takes place once before the images."""
        self._recorder = None
        metrics = _open_set_metrics(evaluator)
        # The weights in training are those of no file, whatever it started from.
        checkpoint = None if is_about_to_train(runner) else runner._load_from
        thresholds = None
        if checkpoint is not None:
            thresholds = beside_checkpoint(
                checkpoint, THRESHOLDS_SUFFIX, runner.work_dir
            )
        for metric in metrics:
            _tell_threshold_file(metric, thresholds)
        if any(metric.threshold == 'auto' for metric in metrics):
            warn_of_stale_thresholds(thresholds, checkpoint)
        # OpenSetMetric takes 'msp' from the predictions.
        scores = {m.score_key: m.score for m in metrics if m.score_key != 'msp'}
        if not scores:
            return
        model = _unwrap(runner.model)
        statistics = None
        with_distances = any(map(needs_distances, scores.values()))
        if with_distances or any(map(needs_prototypes, scores.values())):
            training_set = TrainingSet(runner, self.train_dataset, dataloader, key)
            statistics = training_statistics(
                runner, model, training_set, checkpoint, with_distances
            )
        functions = {k: score_function(s, statistics) for k, s in scores.items()}
        self._recorder = FeatureRecorder(model, score_writer(functions))


def _open_set_metrics(evaluator: Evaluator) -> List[OpenSetMetric]:
    return [m for m in evaluator.metrics if isinstance(m, OpenSetMetric)]


def _results_by_score(evaluator: Evaluator, metrics: dict) -> Dict[str, dict]:
    """Measures of each score, without prefixes; those tell equal scores apart."""
    found = _open_set_metrics(evaluator)
    keys = [metric.score_key for metric in found]
    results = {}
    for metric, key in zip(found, keys):
        name = key if keys.count(key) == 1 else f'{key} ({metric.prefix})'
        start = f'{metric.prefix}/'
        own = {k[len(start) :]: v for k, v in metrics.items() if k.startswith(start)}
        # A subclass may measure something else.
        if 'auroc' in own:
            results[name] = own
    return results


def _tell_threshold_file(metric: OpenSetMetric, path: Optional[str]) -> None:
    """Set the file for ``threshold='auto'``."""
    metric.threshold_file = path
    if path is None and metric.threshold == 'auto':
        raise ValueError(
            "threshold='auto' of OpenSetMetric is the one that was chosen for a "
            'checkpoint, but this model comes from none: test with tools/test.py '
            'CONFIG CHECKPOINT, or set `threshold` to a number or None, which '
            'validation during training always needs.'
        )


def _unwrap(model: nn.Module) -> nn.Module:
    """The classifier itself; refuse models that are in parts or merge predictions."""
    if isinstance(model, BaseTTAModel):
        raise NotImplementedError(
            "OpenSetMetric knows no other score than 'msp' under test-time "
            'augmentation, which merges predictions: test without --tta.'
        )
    if not is_model_wrapper(model):
        return model
    if isinstance(model, DistributedDataParallel):
        return model.module
    raise NotImplementedError(
        f'OpenSetHook cannot read the features of {type(model).__name__}: test in '
        'MMDistributedDataParallel (remove `model_wrapper_cfg` or `strategy` from the '
        'config).'
    )
