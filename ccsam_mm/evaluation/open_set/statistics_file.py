# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Keeps class statistics beside the checkpoint that they belong to."""

import hashlib
import os
import os.path as osp
import pickle
from typing import NamedTuple, Optional

import torch
from torch import nn

from ccsam_mm.utils.files import whole_file

from .class_statistics import ClassStatistics

STATISTICS_SUFFIX = '.open_set.pth'
THRESHOLDS_SUFFIX = '.open_set.json'


class KeptStatistics(NamedTuple):
    """Class statistics, and the keys of their model and data.

    Args:
        statistics (ClassStatistics): The statistics.
        model_key (str): The result of :func:`model_key`.
        data_key (str): A text that differs for other training images.
    """

    statistics: ClassStatistics
    model_key: str
    data_key: str


def beside_checkpoint(checkpoint: str, suffix: str, work_dir: str) -> str:
    """Name a file that belongs to a checkpoint.

    Args:
        checkpoint (str): The checkpoint.
        suffix (str): The suffix that replaces the checkpoint's own.
        work_dir (str): The folder to use instead of the checkpoint's own, if that is
            remote, or cannot be written to and has no such file.

    Returns:
        str: The path of the file.

    Examples:
        >>> from ccsam_mm.evaluation.open_set.statistics_file import beside_checkpoint
        >>> beside_checkpoint('https://host/resnet.pth', '.open_set.json', 'work_dirs')
        'work_dirs/resnet.open_set.json'
    """
    stem, _ = osp.splitext(checkpoint)
    beside = osp.expanduser(stem) + suffix
    folder = osp.dirname(beside) or '.'
    if '://' not in checkpoint and (osp.isfile(beside) or os.access(folder, os.W_OK)):
        return beside
    return osp.join(work_dir, osp.basename(beside))


def model_key(model: nn.Module) -> str:
    """Hash the weights and buffers of a model.

    Unlike the hash of a checkpoint file, it is that of the weights in use, even if
    they are averaged. It takes about as long as reading the file, for ResNet-152 a
    fraction of a second.

    Args:
        model (nn.Module): The model.

    Returns:
        str: A SHA-256 hash.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set.statistics_file import model_key
        >>> model_key(torch.nn.Identity())[:8]
        'e3b0c442'
    """
    sha = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().contiguous()
            sha.update(f'{name} {value.dtype} {tuple(value.shape)} '.encode())
            sha.update(value.reshape(-1).view(torch.uint8).numpy())
    return sha.hexdigest()


def file_hash(path: str) -> Optional[str]:
    """Hash a checkpoint file.

    Args:
        path (str): The file.

    Returns:
        str | None: A SHA-256 hash, or None where the file is not on this machine.
    """
    path = osp.expanduser(path)
    if not osp.isfile(path):
        return None
    sha = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            sha.update(block)
    return sha.hexdigest()


def save_statistics(path: str, kept: KeptStatistics) -> None:
    """Write the file in one step, so that no reader finds half of it.

    Args:
        path (str): The file.
        kept (KeptStatistics): The statistics.
    """
    content = {k: v for k, v in kept.statistics._asdict().items() if v is not None}
    content.update(model_key=kept.model_key, data_key=kept.data_key)
    with whole_file(path) as unfinished:
        torch.save(content, unfinished)


def load_statistics(path: str) -> Optional[KeptStatistics]:
    """Read the file.

    Args:
        path (str): The file.

    Returns:
        KeptStatistics | None: The statistics, or None if there is no such file or it
        holds something else.
    """
    if not osp.isfile(path):
        return None
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
        keys = content.pop('model_key'), content.pop('data_key')
        return KeptStatistics(ClassStatistics(**content), *keys)
    except (
        AttributeError,
        EOFError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        pickle.UnpicklingError,
    ):
        return None
