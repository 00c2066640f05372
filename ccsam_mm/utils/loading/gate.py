# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Safe loading of every checkpoint, from any source."""

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
    """A file that is damaged or not a checkpoint."""


# The errors of refused and damaged checkpoints.
UNREADABLE = (UnreadableCheckpointError, pickle.UnpicklingError, OSError)


def allow_checkpoints() -> None:
    """Let ``torch.load`` read the checkpoints of MMEngine, and no other pickles.

    All loaders that MMEngine knows are wrapped: that of local files, those of downloads
    (which ask PyTorch for any pickle) and of storages. The maintained fork of MMEngine
    reads any pickle when safe loading fails, so the loader's own choice is overruled.
    PyTorch before 2.6 reads any pickle; there, only the messages are better.
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
        for a damaged checkpoint, ``pickle.UnpicklingError`` for one that holds more
        than weights and logs, and ``OSError`` for one that cannot be reached.
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
        raise FileNotFoundError(f'{filename} cannot be found.')
    # weights_only stays unset: the user may set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD.
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
    """Refuse content that MMEngine cannot load."""
    inner = checkpoint
    if isinstance(checkpoint, dict):
        inner = checkpoint.get('state_dict', checkpoint)
    if not isinstance(inner, dict) or not all(isinstance(k, str) for k in inner):
        what = type(checkpoint if inner is checkpoint else inner).__name__
        raise UnreadableCheckpointError(
            f'{filename} is not a checkpoint: instead of weights by name, it holds '
            f'a {what} of something else; name a file that a training has saved.'
        )


_ERRORS = dict(
    refused=pickle.UnpicklingError,
    unreachable=OSError,
    damaged=UnreadableCheckpointError,
)
