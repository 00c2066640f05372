# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Optional

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import nn

from ccsam_mm.utils.loading.filled import check_filled
from ccsam_mm.utils.loading.load_record import LoadRecord, innermost, names_of


@HOOKS.register_module()
class CheckLoadedHook(Hook):
    """Refuse a checkpoint that leaves random weights where there must be none.

    MMEngine only warns of names and sizes that differ. A test, a validation by itself
    and a resumed training need every tensor of the model; a training by ``load_from``
    needs at least one, since heads of other classes are a good start, too. The tools
    of this package add the hook to every run.

    Examples:
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> hook = HOOKS.build(dict(type='CheckLoadedHook'))
    """

    _record: Optional[LoadRecord] = None
    _is_training = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Watch the model, which is loaded right after.

        Args:
            runner (Runner): The runner of the process.
            checkpoint (dict): The loaded checkpoint.
        """
        self._weights = checkpoint.get('state_dict', checkpoint)
        if self._record is None:
            self._record = LoadRecord(innermost(runner.model))

    def before_train(self, runner: Runner) -> None:
        """Check what a training starts from.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._is_training = True
        if self._record is None:
            return
        model = innermost(runner.model)
        if runner._resume:
            check_filled(self._record, model, _name(runner), 'resume')
            return
        missing = self._record.missing(model)
        if missing and len(missing) == len(names_of(model)):
            raise RuntimeError(
                f'{_name(runner)} {self._record.describe(model, missing)}: set '
                'load_from to a checkpoint of this kind of model, or to None.'
            )

    def before_val(self, runner: Runner) -> None:
        """Check what is validated, unless it is in training.

        Args:
            runner (Runner): The runner of the process.
        """
        self._check(runner)

    def before_test(self, runner: Runner) -> None:
        """Check what is tested.

        Args:
            runner (Runner): The runner of the process.
        """
        self._check(runner)

    def _check(self, runner: Runner) -> None:
        if self._is_training:
            return
        if self._record is None:
            runner.logger.warning(
                'No checkpoint was loaded: unless the model was filled otherwise, its '
                'weights are random. Set load_from to a checkpoint.'
            )
            return
        model = innermost(runner.model)
        check_reset(model, self._weights, _name(runner))
        check_filled(self._record, model, _name(runner), 'test')


def _name(runner: Runner) -> str:
    return runner._load_from or f'The last checkpoint in {runner.work_dir}'


def check_reset(model: nn.Module, weights: dict, name: str) -> None:
    """Refuse a classifier that keeps its random weights on purpose.

    Args:
        model (nn.Module): The model.
        weights (dict): The weights that were loaded into it.
        name (str): The name of their checkpoint.
    """
    head = getattr(model, 'head', None)
    if getattr(head, 'reset_classifier', False) and not any(
        key.endswith('head.classifier_was_reset') for key in weights
    ):
        raise RuntimeError(
            f'{name} is of another head, whose classifier model.head.reset_classifier '
            'leaves out, so that the predictions would be random: take a checkpoint '
            'of this config.'
        )
