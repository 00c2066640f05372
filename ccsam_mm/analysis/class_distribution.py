# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The number of images of each class in each split: tables, files and a picture."""

import csv
import json
from pathlib import Path
from typing import Dict, List

import numpy as np
from torch.utils.data import Dataset

from ccsam_mm.datasets.class_counts import (
    class_names,
    count_classes,
    get_gt_labels,
    known_class_counts,
)
from ccsam_mm.datasets.class_names import first_difference, named_classes
from ccsam_mm.evaluation import shot_groups
from ccsam_mm.utils.files import whole_file, write_whole
from ccsam_mm.utils.tables import align_table

# Tables and axes name all classes up to this number.
NAMED_CLASSES = 30
GROUP_COLORS = dict(many='tab:blue', medium='tab:green', few='tab:red')


def class_distribution(splits: Dict[str, Dataset]) -> dict:
    """Count the images of each class in each split, without loading any.

    Args:
        splits (dict[str, Dataset]): The data sets by the names of their splits. The
            training counts are those of 'train', or without it the ``class_counts`` of
            the first that carries them.

    Returns:
        dict: Values for JSON: ``classes``, the names; ``class_counts``, the numbers
        of training images; and ``splits`` with the ``class_counts`` of each split and
        its number of ``unknown`` images, which have the label -1.

    Examples:
        >>> from ccsam_mm.analysis import class_distribution
        >>> from ccsam_mm.datasets import DigitsLT
        >>> distribution = class_distribution(dict(test=DigitsLT(split='test')))
        >>> distribution['class_counts']
        [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
        >>> distribution['splits']['test']['class_counts'][:3]
        [50, 50, 50]
    """
    # Some data sets know classes and counts only when their annotations are loaded.
    labels = {name: get_gt_labels(dataset) for name, dataset in splits.items()}
    _compare_classes(splits)
    counts = _training_counts(splits)
    names = [class_names(dataset) for dataset in splits.values()]
    names = next((n for n in names if n is not None), range(len(counts)))
    distribution = dict(
        classes=[str(name) for name in names], class_counts=counts, splits={}
    )
    if len(names) != len(counts):
        raise ValueError(
            f"The data sets name {len(names)} classes in metainfo['classes'], but "
            f"metainfo['class_counts'] has {len(counts)}: correct `metainfo` in their "
            'configs.'
        )
    for name, own in labels.items():
        if len(own) and own.max() >= len(counts):
            raise ValueError(
                f"The split '{name}' has the label {own.max()}, but the training set "
                f'has {len(counts)} classes: correct its annotation.'
            )
        known = np.bincount(own[own >= 0], minlength=len(counts))
        distribution['splits'][name] = dict(
            class_counts=known.tolist(), unknown=int((own < 0).sum())
        )
    return distribution


def _compare_classes(splits: Dict[str, Dataset]) -> None:
    """Refuse splits whose labels mean different classes."""
    named = [named_classes(data, f"The split '{key}'") for key, data in splits.items()]
    for other in named[1:]:
        difference = first_difference(named[0], other)
        if difference:
            raise ValueError(difference)


def format_distribution(distribution: dict, shot_rule: str = 'strict') -> str:
    r"""Lay out a distribution as Markdown tables of splits, shot groups and classes.

    Args:
        distribution (dict): The result of :func:`class_distribution`.
        shot_rule (str): The bounds of the groups, see
            :func:`ccsam_mm.evaluation.shot_groups`. Defaults to 'strict'.

    Returns:
        str: Three tables. The last has at most 30 classes, those at both ends.

    Examples:
        >>> from ccsam_mm.analysis import class_distribution, format_distribution
        >>> from ccsam_mm.datasets import DigitsLT
        >>> distribution = class_distribution(dict(train=DigitsLT(split='train')))
        >>> print(format_distribution(distribution).split('\n\n')[0])
        | split | images | classes | per class | imbalance |
        |-------|-------:|--------:|----------:|----------:|
        | train |    342 |      10 |  124 .. 2 |      62.0 |
    """
    tables = [
        _split_rows(distribution),
        _group_rows(distribution, shot_rule),
        _class_rows(distribution, shot_rule),
    ]
    return '\n\n'.join(align_table(rows) for rows in tables)


def save_distribution(
    distribution: dict, folder: str, shot_rule: str = 'strict'
) -> List[str]:
    """Write ``class_counts.json`` and ``class_counts.csv``, a line for each class.

    Args:
        distribution (dict): The result of :func:`class_distribution`.
        folder (str): Where to write them.
        shot_rule (str): The bounds of the groups in the CSV file. Defaults to 'strict'.

    Returns:
        list[str]: The paths of the two files.
    """
    folder = Path(folder)
    as_json, as_csv = folder / 'class_counts.json', folder / 'class_counts.csv'
    write_whole(as_json, json.dumps(distribution) + '\n')
    groups = _group_of_class(distribution, shot_rule)
    splits = distribution['splits'].values()
    head = ['label', 'class', 'group', 'class_count']
    rows = [[*head, *(f'{name}_images' for name in distribution['splits'])]]
    for c, name in enumerate(distribution['classes']):
        row = [c, name, groups[c], distribution['class_counts'][c]]
        rows.append([*row, *(split['class_counts'][c] for split in splits)])
    # The csv module writes line ends of its own.
    with (
        whole_file(as_csv) as new,
        open(new, 'w', newline='', encoding='utf-8') as file,
    ):
        csv.writer(file).writerows(rows)
    return [str(as_json), str(as_csv)]


def plot_distribution(
    distribution: dict, path: str, shot_rule: str = 'strict', title: str = ''
) -> None:
    """Draw the training images of each class, from the head to the tail.

    Args:
        distribution (dict): The result of :func:`class_distribution`.
        path (str): The picture to write.
        shot_rule (str): The bounds of the groups, which have a colour each. Defaults
            to 'strict'.
        title (str): The title of the picture. Defaults to ''.
    """
    # The object-oriented interface needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = np.asarray(distribution['class_counts'])
    order = np.argsort(-counts, kind='stable')
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    edges = np.arange(len(counts) + 1) - 0.5
    for name, members in shot_groups(counts, shot_rule).items():
        # One outline for each group: thousands of bars would take minutes.
        heights = np.where(members[order], counts[order], 0)
        if members.any():
            classes = '1 class' if members.sum() == 1 else f'{members.sum():,} classes'
            label = f'{name}: {classes}, {heights.sum():,} training images'
            color = GROUP_COLORS[name]
            axes.stairs(heights, edges, fill=True, color=color, label=label)
    _plot_other_splits(axes, distribution, order)
    axes.set_yscale('log')
    axes.set_ylim(0.7, 10 * counts.max())  # room for the legend
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylabel('images')
    axes.set_xlabel('class, from most to fewest training images')
    if len(order) <= NAMED_CLASSES:
        names = [_shorten(distribution['classes'][c], 20) for c in order]
        axes.set_xticks(range(len(order)), names, rotation=45, ha='right')
    axes.set_title(title)
    axes.legend(loc='upper right')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _plot_other_splits(axes, distribution: dict, order: np.ndarray) -> None:
    """Add the splits with other counts, those with equal ones as one line."""
    edges = np.arange(len(order) + 1) - 0.5
    names = {}
    for name, split in distribution['splits'].items():
        names.setdefault(tuple(split['class_counts']), []).append(name)
    names.pop(tuple(distribution['class_counts']), None)
    for (counts, own), style in zip(names.items(), ('-', '--', ':')):
        heights, label = np.asarray(counts)[order], f'{" and ".join(own)} images'
        axes.stairs(heights, edges, baseline=None, color='black', ls=style, label=label)


def _training_counts(splits: Dict[str, Dataset]) -> List[int]:
    """Find the training counts that the training set or another one carries."""
    if 'train' in splits:
        counts = known_class_counts(splits['train'])
        return count_classes(splits['train']) if counts is None else counts
    for dataset in splits.values():
        counts = known_class_counts(dataset)
        if counts is not None:
            return counts
    raise ValueError(
        f"No data set of {', '.join(splits)} carries metainfo['class_counts'], and "
        'there is no training set: add `train_dataloader` to the config, or wrap the '
        'data set in `LongTailed` with `reference=<config of the training set>`.'
    )


def _group_of_class(distribution: dict, shot_rule: str) -> np.ndarray:
    """The name of the group of each class, ``(K, )``."""
    groups = shot_groups(distribution['class_counts'], shot_rule)
    return np.select(list(groups.values()), list(groups), default='')


def _split_rows(distribution: dict) -> List[List[str]]:
    """One row for each split."""
    splits = distribution['splits']
    columns = ['split', 'images', 'classes', 'per class', 'imbalance']
    with_unknown = any(split['unknown'] for split in splits.values())
    rows = [[*columns, 'unknown'] if with_unknown else columns]
    for name, split in splits.items():
        counts = [count for count in split['class_counts'] if count] or [0]
        images = sum(counts) + split['unknown']
        row = [name, f'{images:,}', f'{sum(c > 0 for c in counts):,}']
        row.append(f'{max(counts)} .. {min(counts)}')
        row.append(f'{max(counts) / max(min(counts), 1):.1f}')
        rows.append([*row, f'{split["unknown"]:,}'] if with_unknown else row)
    return rows


def _group_rows(distribution: dict, shot_rule: str) -> List[List[str]]:
    """One row for each shot group that has a class."""
    counts = np.asarray(distribution['class_counts'])
    rows = [['group', 'per class', 'classes', 'training images', 'share']]
    for name, members in shot_groups(counts, shot_rule).items():
        own = counts[members]
        if len(own):
            share = f'{100 * own.sum() / counts.sum():.1f}%'
            extent = f'{own.max()} .. {own.min()}'
            rows.append([name, extent, f'{len(own):,}', f'{own.sum():,}', share])
    return rows


def _class_rows(distribution: dict, shot_rule: str) -> List[List[str]]:
    """One row for each class from head to tail, or for those at both ends."""
    counts = distribution['class_counts']
    order = np.argsort(-np.asarray(counts), kind='stable').tolist()
    groups = _group_of_class(distribution, shot_rule)
    splits = distribution['splits'].items()
    # Without a training split that repeats the counts.
    shown = {n: s['class_counts'] for n, s in splits if s['class_counts'] != counts}
    rows = [['class', 'label', 'group', 'training images', *shown]]
    if len(order) > NAMED_CLASSES:
        half = NAMED_CLASSES // 2
        order = [*order[:half], None, *order[-half:]]
    for c in order:
        if c is None:
            rows.append(['...'] * len(rows[0]))
            continue
        row = [_shorten(distribution['classes'][c], 40), str(c), groups[c]]
        row.append(f'{counts[c]:,}')
        rows.append([*row, *(f'{own[c]:,}' for own in shown.values())])
    return rows


def _shorten(name: str, width: int) -> str:
    return name if len(name) <= width else f'{name[: width - 3]}...'
