# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The measurements of a training, from the logs of all its attempts."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any, List, Optional

from ccsam_mm.utils.checkpoints import last_checkpoint
from ccsam_mm.utils.files import write_whole

# The keys of a line of a validation that are not metrics.
NO_METRICS = ('data_time', 'time', 'step')


def read_marker(stage) -> Optional[dict]:
    """Read the measurements of a finished stage.

    Args:
        stage (SweepStage): The stage.

    Returns:
        dict, optional: The result of :func:`measure`, or None before the end.
    """
    marker = Path(stage.marker)
    if not marker.is_file():
        return None
    try:
        record = json.loads(marker.read_text(encoding='utf-8'))
        cause = problem_of_record(record)
        if not cause and not isinstance(record.get('versions'), dict):
            cause = 'it has no `versions`'
    except (ValueError, RecursionError) as error:
        cause = f'{type(error).__name__}: {error}'
    if cause:
        raise ValueError(
            f'{marker} is damaged ({cause}): restore it, or delete it to have it '
            'written again from the logs.'
        )
    return record


def problem_of_record(record: Any) -> Optional[str]:
    """Name the problem of a record of a finished stage.

    Args:
        record (Any): The content of the file.

    Returns:
        str, optional: The problem, or None.

    Examples:
        >>> from ccsam_mm.experiments.logs import problem_of_record
        >>> problem_of_record(dict(metrics={'accuracy/top1': '91'}))
        '`metrics` has accuracy/top1 that is not a number'
    """
    if not isinstance(record, dict):
        return 'it is not an object'
    if not isinstance(record.get('metrics'), dict):
        return 'it has no `metrics`'
    numbers = dict(record['metrics'])
    numbers.update((k, record[k]) for k in ('train_loss', 'seconds') if record.get(k))
    wrong = [k for k, v in numbers.items() if not isinstance(v, (int, float))]
    return f'`metrics` has {wrong[0]} that is not a number' if wrong else None


def measure(stage) -> dict:
    """Read the last validation and loss from the logs of a finished training.

    Args:
        stage (SweepStage): The stage.

    Returns:
        dict: ``metrics`` of the last validation, ``best``, the best value that each had
        in any (to compare with papers that report it), ``train_loss`` and ``seconds``.
    """
    lines = _scalars(stage.work_dir)
    if not lines:
        raise ValueError(
            f'{stage.work_dir} has no scalars.json: add '
            f"dict(type='LocalVisBackend') to vis_backends of {stage.config}."
        )
    validation = _last_validation(lines)
    checkpoint = last_checkpoint(stage.work_dir)
    if validation is None or validation['step'] < _step(checkpoint):
        raise ValueError(
            f'{stage.work_dir} has no validation of {checkpoint}: let train_cfg of '
            f'{stage.config} validate at the end.'
        )
    losses = [line['loss'] for line in lines if 'loss' in line]
    return dict(
        metrics=_metrics(validation),
        best=_best(lines),
        train_loss=losses[-1] if losses else None,
        seconds=round(_seconds(stage.work_dir), 1),
    )


def _metrics(validation: dict) -> dict:
    """The numbers of a validation's line."""
    return {
        key: value
        for key, value in validation.items()
        if key not in NO_METRICS and isinstance(value, (int, float))
    }


def _best(lines: List[dict]) -> dict:
    """The highest value of each metric over all validations."""
    best: dict = {}
    for line in filter(_is_validation, lines):
        for key, value in _metrics(line).items():
            best[key] = max(value, best.get(key, value))
    return best


def _is_validation(line: dict) -> bool:
    """Lines of a training name the iteration, those of a validation do not."""
    return 'step' in line and 'iter' not in line


def step_back(stage) -> None:
    """Prepare a killed training so that it can be resumed.

    Resuming from a last checkpoint that has not been validated would end at once,
    because no epoch is missing. The name of the last checkpoint may also be half
    written.

    Args:
        stage (SweepStage): The stage.
    """
    record = Path(stage.work_dir) / 'last_checkpoint'
    if record.is_file() and last_checkpoint(stage.work_dir) is None:
        _record_earlier(stage, record, float('inf'))
    checkpoint = last_checkpoint(stage.work_dir)
    if checkpoint is None or _step(checkpoint) != stage.last_step:
        return
    validation = _last_validation(_scalars(stage.work_dir))
    if validation is not None and validation['step'] >= stage.last_step:
        return
    _record_earlier(stage, record, stage.last_step)
    os.remove(checkpoint)


def _record_earlier(stage, record: Path, limit: float) -> None:
    """Name the last checkpoint before a step, if there is one."""
    # Not `best_*.pth`, which lack the state of the optimizer.
    found = {
        _step(path.name): path
        for path in Path(stage.work_dir).glob('*.pth')
        if re.fullmatch(r'(epoch|iter)_[1-9]\d*\.pth', path.name)
    }
    earlier = [step for step in found if step < limit]
    if earlier:
        write_whole(str(record), str(found[max(earlier)]))
    else:
        record.unlink()


def _scalars(work_dir: str) -> List[dict]:
    """The logged lines of all attempts at a training, in order."""
    lines = []
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for text in path.read_text(errors='replace').splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):  # A kill has cut the line.
                continue
            step = line.get('step', 0) if isinstance(line, dict) else None
            if isinstance(step, (int, float)):
                lines.append(line)
    return lines


def _last_validation(lines: List[dict]) -> Optional[dict]:
    return next((x for x in reversed(lines) if _is_validation(x)), None)


def _step(checkpoint: Optional[str]) -> int:
    """The epoch or iteration in a checkpoint's name."""
    found = re.search(r'_(\d+)\.pth$', checkpoint or '')
    return int(found[1]) if found else 0


def _seconds(work_dir: str) -> float:
    """Time of all attempts, each from its folder's name to its last log entry."""
    total = 0.0
    for log in Path(work_dir).glob('*/*.log'):
        try:
            start = time.mktime(time.strptime(log.parent.name, '%Y%m%d_%H%M%S'))
        except ValueError:
            continue
        total += max(0.0, log.stat().st_mtime - start)
    return total
