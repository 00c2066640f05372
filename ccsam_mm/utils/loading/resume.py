# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Chooses the checkpoint to resume from, and warns if it is not the newest."""

import os
import os.path as osp
import re
from typing import List, Optional, Tuple

import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from ccsam_mm.utils.checkpoints import last_checkpoint

from .gate import UNREADABLE
from .load_record import innermost


def choose_resumed(runner: Runner, is_named: bool = False) -> None:
    """Let a runner resume from the newest checkpoint that is whole.

    Without ``resume``, nothing happens. Nothing happens either where the work directory
    has no checkpoint at all, and the training begins anew.

    Args:
        runner (Runner): The runner of a training, before it trains.
        is_named (bool): Whether the user has named the checkpoint, and no other one
            will do. Defaults to False.

    Raises:
        RuntimeError: If there is no checkpoint to resume from.
    """
    if not runner._resume:
        return
    answer = [None, []]
    if is_main_process():
        answer = list(_choose(runner, is_named))
    broadcast_object_list(answer)
    path, skipped = answer
    if skipped and path is None:
        others = len(skipped) - 1
        more = f' ({others} older ones are no better.)' if others else ''
        raise RuntimeError(
            f'There is nothing to resume from: {skipped[0]}{more} To resume from '
            'another checkpoint, name it with --resume; to begin anew, delete those in '
            f'{runner.work_dir}.'
        )
    for reason in skipped:
        runner.logger.warning(f'Not resumed from the newest checkpoint: {reason}')
    if path is not None:
        runner.logger.info(f'Resuming from {path}.')
        runner._load_from = path


def _choose(runner: Runner, is_named: bool) -> Tuple[Optional[str], List[str]]:
    """The checkpoint, and why newer ones were left out."""
    path = runner._resume if isinstance(runner._resume, str) else runner._load_from
    if is_named or isinstance(runner._resume, str):
        if '://' in path:
            return path, []
        reason = why_not_resumable(path, runner)
        return (None, [reason]) if reason else (path, [])
    skipped = []
    for candidate in saved_checkpoints(runner.work_dir):
        if osp.isdir(candidate):
            why = (
                f'{candidate} is a directory, and in the way of a checkpoint: move it.'
            )
            return None, [why]
        reason = why_not_resumable(candidate, runner)
        if not reason:
            return candidate, skipped
        skipped.append(reason)
    return None, skipped


def saved_checkpoints(work_dir: str) -> List[str]:
    """List the checkpoints of a training, the newest first.

    Args:
        work_dir (str): Its work directory.

    Returns:
        List[str]: The one that is recorded as the last, those before it, and all
        others.
    """
    recorded = last_checkpoint(work_dir)
    numbers = {}
    for name in os.listdir(work_dir) if osp.isdir(work_dir) else ():
        found = re.search(r'(\d+)\.pth$', name)
        if found and not name.startswith('best_'):
            numbers[osp.join(work_dir, name)] = int(found[1])
    last = numbers.get(recorded, max(numbers.values(), default=0))
    # One that is newer than the record is from another training, or was cut short.
    names = sorted(
        numbers, key=lambda n: (numbers[n] <= last, numbers[n]), reverse=True
    )
    if recorded is not None:
        names = [recorded, *(name for name in names if name != recorded)]
    return names


def read_or_reason(path: str) -> Tuple[Optional[dict], str]:
    """Read a checkpoint that may be damaged.

    Args:
        path (str): The checkpoint.

    Returns:
        Tuple[dict | None, str]: The checkpoint, and a sentence if it cannot be read.
    """
    try:
        # By its scheme, without the log's line.
        return CheckpointLoader._get_checkpoint_loader(path)(path, 'cpu'), ''
    except UNREADABLE as error:
        text = str(error)
        return None, text if path in text else f'{path} cannot be read: {text}'


def why_not_resumable(path: str, runner: Runner) -> str:
    """Say why a training cannot resume from a checkpoint.

    Args:
        path (str): The checkpoint.
        runner (Runner): The runner of the training.

    Returns:
        str: A sentence, empty if it can.
    """
    checkpoint, reason = read_or_reason(path)
    if reason:
        return reason
    needed = ['state_dict', 'meta', 'message_hub', 'optimizer']
    if getattr(runner, 'param_schedulers', None):
        needed.append('param_schedulers')
    missing = [key for key in needed if key not in checkpoint]
    meta = checkpoint.get('meta')
    if not missing and not {'epoch', 'iter'} <= set(meta if meta else ()):
        missing = ['meta.epoch']
    if missing:
        return (
            f"{path} holds no '{missing[0]}', so no training can resume from it as it "
            'was: to start from its weights, set load_from without resume.'
        )
    for name, _ in innermost(runner.model).named_parameters():
        saved = checkpoint['state_dict'].get(name)
        if isinstance(saved, torch.Tensor) and not torch.isfinite(saved).all():
            return f"{path} holds '{name}' with values that are not finite."
    return ''
