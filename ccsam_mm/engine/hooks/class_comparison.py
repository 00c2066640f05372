# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Compares the classes of a run's data sets and checkpoint before time is spent."""

import os
import os.path as osp
from typing import Optional

from mmengine.runner import BaseLoop, Runner
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from ccsam_mm.datasets.class_names import (
    NamedClasses,
    check_folders,
    first_difference,
    named_classes,
    only_one_has_names,
)
from ccsam_mm.utils.checkpoints import saved_dataset_meta
from ccsam_mm.utils.config_types import class_of

from .load_stage1_hook import LoadStage1Hook
from .utils import is_about_to_train

FIELDS = dict(
    train='The training data set', val='The validation data set', test='The test set'
)


def compare_data_sets(runner: Runner, refuse: bool) -> None:
    """Compare the training data set with those of validation and test.

    The test set is not built for it: the names are seen where it is a folder.

    Args:
        runner (Runner): The runner of a training.
        refuse (bool): Whether a difference is an error, or else a warning.
    """
    train = named_classes(runner.train_dataloader.dataset, FIELDS['train'])
    if isinstance(runner._val_loop, BaseLoop):
        val = named_classes(runner.val_dataloader.dataset, FIELDS['val'])
        _judge(runner, first_difference(train, val), refuse)
        _warn(runner, only_one_has_names(train, val))
    test = _unbuilt_folders(runner.cfg.get('test_dataloader'), FIELDS['test'])
    if test is not None:
        _judge(runner, first_difference(train, test), refuse)


def compare_checkpoint(runner: Runner, checkpoint: dict, refuse: bool) -> None:
    """Compare the classes of a loaded checkpoint with those of the run's data.

    Args:
        runner (Runner): The runner.
        checkpoint (dict): The checkpoint.
        refuse (bool): Whether a difference is an error, or else a warning. Fine-tuning
            from other classes is never one.
    """
    names = saved_dataset_meta(checkpoint).get('classes')
    names = None if names is None else [str(name) for name in names]
    saved = NamedClasses(f'The checkpoint {runner._load_from or ""}'.strip(), names)
    data = _data_of(runner)
    if data is None:
        return
    difference = first_difference(saved, data)
    if not is_about_to_train(runner) or runner._resume or _starts_stage2(runner):
        _judge(runner, difference, refuse)
        _warn(runner, only_one_has_names(saved, data))
    elif difference and len(data.names) == len(saved.names):
        _warn(
            runner,
            f'{saved.where} was trained on {len(saved.names)} other classes, and the '
            'classifier starts from theirs: leave this as it is for fine-tuning, or '
            f'else correct the data set ({difference})',
        )


def _data_of(runner: Runner) -> Optional[NamedClasses]:
    """The classes of the data set that the checkpoint is loaded for."""
    for field, where in FIELDS.items():
        loop = getattr(runner, f'_{field}_loop')
        if isinstance(loop, BaseLoop):
            return named_classes(loop.dataloader.dataset, where)
    return None


def _starts_stage2(runner: Runner) -> bool:
    return any(
        isinstance(hook, LoadStage1Hook) and hook._found is not None
        for hook in runner.hooks
    )


def _unbuilt_folders(dataloader: Optional[dict], where: str) -> Optional[NamedClasses]:
    """The class folders that a config names, if it is a folder on this machine."""
    dataset = (dataloader or {}).get('dataset')
    while isinstance(dataset, dict) and 'dataset' in dataset:
        if 'classes' in dataset:  # ClassSubset numbers them anew
            return None
        dataset = dataset['dataset']
    if not isinstance(dataset, dict) or dataset.get('ann_file'):
        return None
    kind, prefix = class_of(dataset, DATASETS), dataset.get('data_prefix') or ''
    if kind is not CustomDataset or not dataset.get('with_label', True):
        return None
    prefix = prefix.get('img_path', '') if isinstance(prefix, dict) else prefix
    root = osp.expanduser(osp.join(dataset.get('data_root') or '', prefix))
    if not osp.isdir(root):
        return None
    folders = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    check_folders(folders, root, where)
    given = dataset.get('classes') or (dataset.get('metainfo') or {}).get('classes')
    names = folders if given is None else given
    return NamedClasses(where, [str(name) for name in names], folders, root)


def _judge(runner: Runner, difference: str, refuse: bool) -> None:
    if difference and refuse:
        raise ValueError(difference)
    _warn(runner, difference)


def _warn(runner: Runner, sentence: str) -> None:
    if sentence:
        runner.logger.warning(sentence)
