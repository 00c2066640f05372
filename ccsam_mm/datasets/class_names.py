# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Compares the class names of two sources, whose labels are only positions."""

import difflib
import os.path as osp
from collections.abc import Sequence
from typing import NamedTuple, Optional

from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from torch.utils.data import ConcatDataset, Dataset, Subset

from .class_counts import class_names
from .class_subset import ClassSubset


class NamedClasses(NamedTuple):
    """The classes that a source numbers.

    Args:
        where (str): Name of the source, for messages.
        names (list[str] | None): The names in the order of the labels; None where the
            source has none.
        folders (list[str] | None): The folders that gave the labels, where that is so.
        root (str): The folder that contains them.
    """

    where: str
    names: Optional[list]
    folders: Optional[list] = None
    root: str = ''


def named_classes(dataset: Dataset, where: str) -> NamedClasses:
    """Find the names and folders of a data set, and refuse those that cannot be meant.

    Args:
        dataset (Dataset): The data set, loaded.
        where (str): Name of the data set, for messages.

    Returns:
        NamedClasses: Its classes.

    Raises:
        ValueError: If a hidden folder counts as a class, or if ``classes`` gives the
            folders each other's names.
    """
    names = class_names(dataset)
    names = None if names is None else [str(name) for name in names]
    leaf, keeps_labels = _leaf(dataset)
    folders = getattr(leaf, 'folder_to_idx', None)
    if getattr(leaf, 'ann_file', '') or not folders:
        return NamedClasses(where, names)
    folders, root = list(folders), str(leaf.img_prefix)
    check_folders(folders, root, where)
    given = [str(name) for name in leaf.metainfo.get('classes') or folders]
    moved = [
        i for i, name in enumerate(given) if name in folders and name != folders[i]
    ]
    if moved:
        i = moved[0]
        raise ValueError(
            f'{where} returns the images of the folder {osp.join(root, folders[i])} as '
            f"class '{given[i]}', since folders are numbered in alphabetical order: "
            'leave out `classes`, or name them in the order of the folders.'
        )
    return NamedClasses(where, names, folders if keeps_labels else None, root)


def check_folders(folders: Sequence[str], root: str, where: str) -> None:
    """Refuse hidden folders, which MMPretrain takes for classes.

    Args:
        folders (Sequence[str]): The names of the class folders.
        root (str): The folder that they are in.
        where (str): Name of the data set, for the message.

    Raises:
        ValueError: If there is a hidden folder.
    """
    hidden = [name for name in folders if name.startswith('.') or name == '__MACOSX']
    if hidden:
        raise ValueError(
            f'{where} would take {osp.join(root, hidden[0])}, which some program left '
            'there, for the folder of a class: delete it, or rename it if it is one.'
        )


def first_difference(first: NamedClasses, second: NamedClasses) -> str:
    """Say where the labels of two sources first mean different classes.

    Folders decide where both sources have them, since names may be given to them.

    Args:
        first (NamedClasses): The reference, such as the training data set.
        second (NamedClasses): The source to compare with it.

    Returns:
        str: A sentence, or nothing where the labels agree or a source has no names.

    Examples:
        >>> from ccsam_mm.datasets.class_names import NamedClasses, first_difference
        >>> train = NamedClasses('The training data set', ['ant', 'bee', 'cat'])
        >>> val = NamedClasses('The validation data set', ['ant', 'cat'])
        >>> first_difference(train, val)[:72]
        "The validation data set has 'cat' for label 1, which is 'bee' in the tra"
    """
    by_folder = first.folders is not None and second.folders is not None
    own, other = (s.folders if by_folder else s.names for s in (first, second))
    if own is None or other is None or list(own) == list(other):
        return ''
    i = next((i for i, pair in enumerate(zip(own, other)) if pair[0] != pair[1]), None)
    i = min(len(own), len(other)) if i is None else i
    here, there = (f"'{n[i]}'" if i < len(n) else 'no class' for n in (other, own))
    where = first.where[:1].lower() + first.where[1:]
    hint = _misspelt(own, other)
    return (
        f'{second.where} has {here} for label {i}, which is {there} in {where} '
        f'({len(other)} and {len(own)} classes){hint}, so that their labels do not '
        f'mean the same: {_advice(second, len(own))}.'
    )


def only_one_has_names(first: NamedClasses, second: NamedClasses) -> str:
    """Say that two sources cannot be compared.

    Args:
        first (NamedClasses): The reference, such as the training data set.
        second (NamedClasses): The source to compare with it.

    Returns:
        str: A sentence, or nothing where both sources have names, or none.
    """
    if (first.names is None) == (second.names is None):
        return ''
    silent, names = (first, second) if first.names is None else (second, first)
    where = names.where[:1].lower() + names.where[1:]
    return (
        f'{silent.where} does not name its classes, so it is unknown whether '
        f'its labels mean those of {where} ({_short(names.names)}): name them by '
        '`classes=[...]` in the config of the data set.'
    )


def _leaf(dataset: Dataset) -> tuple:
    """The innermost wrapped data set, and whether its labels are unchanged."""
    if isinstance(dataset, ClassSubset):
        return _leaf(dataset.dataset)[0], False
    if isinstance(dataset, ConcatDataset) or hasattr(dataset, 'datasets'):
        return _leaf(dataset.datasets[0])
    wraps = isinstance(dataset, (RepeatDataset, ClassBalancedDataset, Subset))
    if wraps or hasattr(dataset, 'dataset'):
        return _leaf(dataset.dataset)
    return dataset, True


def _misspelt(own: Sequence[str], other: Sequence[str]) -> str:
    """Suggest a correction for the first name that resembles one of the other."""
    missing = [name for name in own if name not in other]
    lower = {name.lower(): name for name in reversed(missing)}
    for name in other:
        close = difflib.get_close_matches(name.lower(), lower, 1, 0.8)
        if name not in own and close:
            return f", perhaps since '{name}' should be '{lower[close[0]]}'"
    return ''


def _advice(source: NamedClasses, number: int) -> str:
    if source.folders is not None and source.names == source.folders:
        return (
            f'give {source.root} the same {number} class folders, an empty one for a '
            'class without images'
        )
    return (
        'name the same classes in the same order in both, also those that have no '
        'images (by `classes=[...]` of a list or of ClassSubset, or by an empty folder '
        'among class folders), or, if only the names differ, set check_names=False of '
        'ClassCountsHook'
    )


def _short(names: Sequence[str]) -> str:
    shown = ', '.join(names[:3])
    return f'{shown}, ...' if len(names) > 3 else shown
