# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What a training of a sweep has measured, from the logs of all its attempts."""

import json
import os
import re
import time
from pathlib import Path
from typing import List, Optional

from ccsam_mm.checkpoints import last_checkpoint
from ccsam_mm.files import write_whole

# What a line of a validation has beside its metrics.
NO_METRICS = ('data_time', 'time', 'step')


def read_marker(stage) -> Optional[dict]:
    """Read what a finished stage has measured.

    Args:
        stage (SweepStage): The stage.

    Returns:
        dict, optional: What :func:`measure` returned, or None before the end.
    """
    marker = Path(stage.marker)
    return json.loads(marker.read_text()) if marker.is_file() else None


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
    """Make a training that was killed go on from where it can.

    Resuming from a last checkpoint that has not been validated would end at once,
    because no epoch is missing. A kill may also leave the name of the last checkpoint
    half written, which nothing could resume from.

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
    """What every attempt at a training has logged, in order."""
    lines = []
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:  # A kill has cut the line.
                continue
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
