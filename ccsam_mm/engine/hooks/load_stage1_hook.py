# Copyright (c) ccsam_mm contributors. All rights reserved.
import os.path as osp
from typing import List, Optional

from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner, Runner
from mmpretrain.registry import HOOKS

from ccsam_mm.utils.checkpoints import as_dict, last_checkpoint
from ccsam_mm.utils.loading.resume import read_or_reason, saved_checkpoints

from .stage2_checks import check_average, check_balance, check_classifier_kind
from .utils import is_about_to_train


@HOOKS.register_module()
class LoadStage1Hook(Hook):
    """Let stage 2 of decoupled training find and load stage 1 by itself.

    A training starts from the last checkpoint of stage 1, unless ``load_from`` is
    set or there is something to resume. Stage 1 is searched for beside the work
    directory of stage 2, then in ``work_dirs``. Validation and test are left alone.

    Args:
        stage1 (str, optional): The name of the stage-1 config, its path from the folder
            of the running config (with ``.py``), or a work directory or a checkpoint of
            stage 1. If None, the name of the running config with ``_stage2`` replaced
            by ``_stage1``. Defaults to None.
        work_dir (str, optional): The only folder to search for the work directory of
            stage 1. Defaults to None.

    Examples:
        >>> hook = dict(type='LoadStage1Hook', stage1='resnet50_stage1')
        >>> default_hooks = dict(load_stage1=hook)
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> HOOKS.build(default_hooks['load_stage1']).stage1
        'resnet50_stage1'
    """

    def __init__(self, stage1: Optional[str] = None, work_dir: Optional[str] = None):
        for key, value in dict(stage1=stage1, work_dir=work_dir).items():
            if value is not None and not (isinstance(value, str) and value):
                raise ValueError(
                    f'default_hooks.load_stage1.{key} is {value!r}: set it to the '
                    'name of a config, a folder or a checkpoint of stage 1, or to None.'
                )
        self.stage1 = stage1
        self.work_dir = work_dir
        self._is_config = stage1 is not None and stage1.endswith('.py')
        self._is_path = stage1 is not None and not self._is_config
        self._found: Optional[str] = None

    def before_run(self, runner: Runner) -> None:
        """Find the checkpoint of stage 1 when a training starts.

        Args:
            runner (Runner): The runner of the training process.
        """
        if not is_about_to_train(runner) or runner._load_from is not None:
            return
        if runner._resume and last_checkpoint(runner.work_dir) is not None:
            return
        self._found = self._find(runner)
        runner.logger.info(f'Stage 2 starts from stage 1: {self._found}')
        # Runner takes both from its constructor alone; with nothing to resume,
        # resume=True would continue stage 1 itself.
        runner._load_from = self._found
        runner._resume = False
        if isinstance(runner, FlexibleRunner):  # has loaded before it called hooks
            runner.load_checkpoint(self._found)

    def before_train(self, runner: Runner) -> None:
        """Refuse or warn of what makes stage 2 pointless.

        Args:
            runner (Runner): The runner of the training process.
        """
        check_average(runner)
        check_balance(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Warn if stage 1 was not finished, or has another kind of classifier.

        Args:
            runner (Runner): The runner of the training process.
            checkpoint (dict): The loaded checkpoint.
        """
        if self._found is not None:
            check_classifier_kind(runner, checkpoint.get('state_dict', checkpoint))
        if self._found in (None, self.stage1):
            return
        meta = as_dict(checkpoint.get('meta'))
        info = as_dict(as_dict(checkpoint.get('message_hub')).get('runtime_info'))
        # Iteration-based loops are one epoch.
        unit = 'iter' if info.get('max_epochs') == 1 else 'epoch'
        done, planned = meta.get(unit), info.get(f'max_{unit}s')
        if done is not None and planned is not None and done < planned:
            command = self._command(runner, osp.dirname(self._found))
            advice = (
                f' To finish it first, run `{command} --resume`.' if command else ''
            )
            runner.logger.warning(
                f'Stage 1 was not finished ({unit} {done} of {planned} in '
                f'{self._found}), and stage 2 starts from it as it is.{advice}'
            )

    def _find(self, runner: Runner) -> str:
        """Path of stage 1's checkpoint."""
        if self._is_path and '://' in self.stage1:
            return self.stage1
        if self._is_path and (osp.isfile(self.stage1) or self.stage1.endswith('.pth')):
            reason = read_or_reason(self.stage1)[1]
            if reason:
                raise FileNotFoundError(
                    f'Stage 2 cannot start: {reason} Set default_hooks.load_stage1.'
                    'stage1 to a checkpoint of stage 1, or to its work directory.'
                )
            return self.stage1
        places = self._places(runner)
        for place in places:
            checkpoint = self._newest(runner, place)
            if checkpoint is not None:
                return checkpoint
        command = self._command(runner, places[0])
        first = f'run `{command}` first' if command else 'train stage 1 first'
        raise FileNotFoundError(
            f'stage 1 checkpoint not found in {" or ".join(places)}: {first}, or set '
            'load_from to a checkpoint of stage 1.'
        )

    def _newest(self, runner: Runner, place: str) -> Optional[str]:
        """The newest checkpoint in a work directory that is whole."""
        reasons: List[str] = []
        for checkpoint in saved_checkpoints(place):
            reason = read_or_reason(checkpoint)[1]
            if not reason:
                for text in reasons:
                    runner.logger.warning(
                        f'Stage 2 does not start from the newest checkpoint: {text}'
                    )
                return checkpoint
            reasons.append(reason)
        if reasons:
            command = self._command(runner, place)
            remedy = f'run `{command}` again' if command else 'train stage 1 again'
            raise RuntimeError(
                f'Stage 2 cannot start: {reasons[0]} To make it again, delete the '
                f'checkpoints in {place} and {remedy}.'
            )
        return None

    def _places(self, runner: Runner) -> List[str]:
        """Work directories that may be stage 1's, the likeliest first."""
        name = self._name(runner)
        if self.work_dir is not None:
            return [osp.abspath(osp.join(self.work_dir, name))]
        parent, own = osp.split(runner.work_dir)
        places = [osp.join(parent, name), osp.abspath(osp.join('work_dirs', name))]
        if self._is_path and osp.dirname(self.stage1):
            places = [osp.abspath(self.stage1)]
        elif self.stage1 is None and '_stage2' in own:
            places.insert(0, osp.join(parent, own.replace('_stage2', '_stage1')))
        return list(dict.fromkeys(places))

    def _name(self, runner: Runner) -> str:
        """Name of the stage-1 config, without folder and suffix."""
        if self.stage1 is not None:
            return _without_suffix(osp.basename(osp.normpath(self.stage1)))
        own = osp.basename(runner.cfg.filename or runner.work_dir)
        if '_stage2' not in own:
            raise ValueError(
                f"LoadStage1Hook cannot tell stage 1's name from '{own}', which lacks "
                "'_stage2': set default_hooks.load_stage1.stage1 to the "
                'name of the stage-1 config, or to its checkpoint.'
            )
        return _without_suffix(own.replace('_stage2', '_stage1'))

    def _command(self, runner: Runner, work_dir: str) -> str:
        """What to type to train stage 1, or nothing where its config is unknown."""
        name = self._name(runner)
        config = self.stage1 if self._is_config else f'{name}.py'
        config = osp.join(osp.dirname(runner.cfg.filename or ''), config)
        if self._is_path and not osp.isfile(config):
            return ''  # the name of a work directory need not be that of a config
        command = f'python tools/train.py {_shortest(osp.normpath(config))}'
        if osp.abspath(work_dir) != osp.abspath(osp.join('work_dirs', name)):
            command += f' --work-dir {_shortest(work_dir)}'
        return command


def _without_suffix(config: str) -> str:
    return config[: -len('.py')] if config.endswith('.py') else config


def _shortest(path: str) -> str:
    return min(path, osp.relpath(path), key=len)
