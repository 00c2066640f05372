# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The gate that every checkpoint goes through, wherever it comes from."""

import os
import os.path as osp
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import torch
from mmengine.runner import CheckpointLoader
from packaging.version import Version

from .damage import broken_record, why_unreadable
from .safe_globals import checkpoint_globals

FORCE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
FORCE_NOT = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'


class UnreadableCheckpointError(RuntimeError):
    """A checkpoint that is damaged, or none at all."""


# What a refused or damaged checkpoint raises.
UNREADABLE = (UnreadableCheckpointError, pickle.UnpicklingError, OSError)


def allow_checkpoints() -> None:
    """Let ``torch.load`` read what MMEngine writes, and nothing else.

    All loaders that MMEngine knows are wrapped: that of local files, those of downloads
    (which ask PyTorch for any pickle) and of storages. The maintained fork of MMEngine
    turns to any pickle when the safe way fails, so what a loader asks for is overruled.
    PyTorch before 2.6 reads any pickle and gets no other protection than sentences.
    """
    if _loads_safely():
        served = [(stand_in, name) for name, stand_in in checkpoint_globals().items()]
        torch.serialization.add_safe_globals(served)
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        CheckpointLoader.register_scheme(prefix, gated(loader), force=True)


def gated(loader: Callable) -> Callable:
    """Make a loader of checkpoints read weights and logs only.

    Args:
        loader (Callable): A loader as of MMEngine's ``CheckpointLoader``: it is called
            with a name and ``map_location``.

    Returns:
        Callable: A loader of the same name. It raises ``UnreadableCheckpointError``
        for what is no whole checkpoint, ``pickle.UnpicklingError`` for what holds
        more than weights and logs, and ``OSError`` for what can not be reached.
    """

    @wraps(loader)
    def load(filename, map_location=None, **kwargs):
        try:
            with _weights_only():
                checkpoint = loader(filename, map_location, **kwargs)
        except (FileNotFoundError, ImportError, UnreadableCheckpointError):
            raise
        except Exception as error:
            kind, reason = why_unreadable(filename, error)
            raise _ERRORS[kind](reason) from None
        _check_kind(filename, checkpoint)
        return checkpoint

    return load


def load_from_local(filename: str, map_location=None) -> dict:
    """Load a checkpoint file.

    Args:
        filename (str): Path of the file.
        map_location (str, optional): Same as :func:`torch.load`. Defaults to None.

    Returns:
        dict: The loaded checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        UnreadableCheckpointError: If a part of the file was changed.
    """
    filename = osp.expanduser(filename)
    if osp.isdir(filename):
        raise IsADirectoryError(f'it is a directory: name a checkpoint in {filename}')
    if not osp.isfile(filename):
        raise FileNotFoundError(f'{filename} can not be found.')
    # weights_only stays unset: TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is the user's say.
    checkpoint = torch.load(filename, map_location=map_location)
    record = broken_record(filename)
    if record:
        raise UnreadableCheckpointError(
            f'{filename} is damaged (the checksum of its part {record} is wrong): take '
            'another checkpoint, or copy or make this one again.'
        )
    return checkpoint


def _loads_safely() -> bool:
    return Version(torch.__version__) >= Version('2.6')


@contextmanager
def _weights_only() -> Iterator[None]:
    """Overrule ``weights_only=False``, unless the user has asked for any pickle."""
    wanted = os.environ.get(FORCE_NOT, '0').lower() in ('1', 'y', 'yes', 'true')
    if wanted or not _loads_safely():
        yield
        return
    before = os.environ.get(FORCE)
    os.environ[FORCE] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before


def _check_kind(filename: str, checkpoint) -> None:
    """Refuse what MMEngine would not find its way in."""
    inner = checkpoint
    if isinstance(checkpoint, dict):
        inner = checkpoint.get('state_dict', checkpoint)
    if not isinstance(inner, dict) or not all(isinstance(k, str) for k in inner):
        what = type(checkpoint if inner is checkpoint else inner).__name__
        raise UnreadableCheckpointError(
            f'{filename} is no checkpoint: where weights by name should be, it holds '
            f'a {what} of something else; name a file that a training has saved.'
        )


_ERRORS = dict(
    refused=pickle.UnpicklingError,
    unreachable=OSError,
    damaged=UnreadableCheckpointError,
)
