# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Refuses a model that its checkpoint has not filled."""

from mmengine.runner import load_checkpoint
from torch import nn

from .load_record import LoadRecord, extra_layers

_WHAT_FOR = dict(
    test='Its predictions would be random: use the config (and the options `model.*`) '
    'that it was trained with',
    resume='This training cannot be continued: use the config that it was trained '
    'with, or set `load_from` without `resume` to start from its weights',
)


def check_filled(record: LoadRecord, model: nn.Module, name: str, use: str) -> None:
    """Check that a checkpoint has filled a whole model.

    Args:
        record (LoadRecord): The weights that were loaded into the model.
        model (nn.Module): The model.
        name (str): The checkpoint's name.
        use (str): 'test' or 'resume'; a test needs no losses.

    Raises:
        RuntimeError: If tensors are missing or of another size, or if the checkpoint
            has weights of layers that the model does not have.
    """
    missing = record.missing(model)
    if use == 'test':
        missing = [n for n in missing if not _is_of_loss(n)]
    if missing:
        found = record.describe(model, missing)
        raise RuntimeError(f'{name} {found}. {_WHAT_FOR[use]}.')
    extra = extra_layers(model, record.unexpected)
    if extra:
        raise RuntimeError(
            f"{name} holds '{extra[0]}' and {len(extra) - 1} more weights of layers "
            f'that the model does not have. {_WHAT_FOR[use]}.'
        )


def load_filled(model: nn.Module, checkpoint: str) -> dict:
    """Load a checkpoint into a model that is to predict.

    Args:
        model (nn.Module): The model.
        checkpoint (str): The checkpoint.

    Returns:
        dict: The loaded checkpoint.

    Raises:
        RuntimeError: If it does not fill the whole model.
    """
    record = LoadRecord(model)
    loaded = load_checkpoint(model, checkpoint, map_location='cpu')
    check_filled(record, model, checkpoint, 'test')
    return loaded


def _is_of_loss(name: str) -> bool:
    return any(part.startswith('loss') for part in name.split('.'))
