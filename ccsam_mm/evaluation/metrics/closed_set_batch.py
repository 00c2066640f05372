# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks of the labels and scores that metrics of known classes get."""

import numpy as np
from torch import Tensor


def check_sample(sample: dict, num_classes: int, user: str) -> None:
    """Refuse an image without one label, or with unusable scores.

    Args:
        sample (dict): An output of the model.
        num_classes (int): The number of classes.
        user (str): Name of the metric, for messages.

    Raises:
        ValueError: If it is unusable.
    """
    target = sample['gt_label']
    if target.numel() != 1:
        raise ValueError(
            f'{user} needs one label per image, but `gt_label` has '
            f'{target.numel()}: choose another `type` in `val_evaluator` and '
            '`test_evaluator`.'
        )
    if 'pred_score' in sample:
        check_score(sample['pred_score'], num_classes)
    check_labels(np.asarray([int(target)]), num_classes, user)


def check_score(score: Tensor, num_classes: int) -> None:
    """Refuse the scores of other classes, and those of a diverged model.

    Args:
        score (Tensor): The scores of one image.
        num_classes (int): The number of classes.

    Raises:
        ValueError: If they are unusable.
    """
    if score.numel() != num_classes:
        raise ValueError(
            f'The model scores {score.numel()} classes, but class_counts '
            f'has {num_classes}: make `num_classes` of the head and the '
            "evaluated data set's `class_counts` agree."
        )
    if score.isnan().any():
        raise ValueError(
            'The model gives an image scores that are NaN: use a '
            'checkpoint whose training has not diverged, or evaluate '
            'without mixed precision.'
        )


def check_labels(target: np.ndarray, num_classes: int, user: str) -> None:
    """Refuse labels of unknown classes and of no class.

    Args:
        target (np.ndarray): The labels, ``(N, )``.
        num_classes (int): The number of classes.
        user (str): Name of the metric, for messages.

    Raises:
        ValueError: If there is such a label, or none at all.
    """
    check_any(target, user)
    if target.min() < 0:
        raise ValueError(
            f'{user} met the label {target.min()}, an unknown class of an open '
            'set, but it measures known classes only: take the images with negative '
            'labels out of the data sets in `val_dataloader` and `test_dataloader`.'
        )
    if target.max() >= num_classes:
        raise ValueError(
            f'{user} met the label {target.max()}, but `class_counts` has '
            f'{num_classes} classes: correct the annotation of the evaluated data set, '
            f'or set `class_counts` of {user} to one count for each class.'
        )


def check_any(target: np.ndarray, user: str) -> None:
    """Refuse an evaluation of no image.

    Args:
        target (np.ndarray): The labels.
        user (str): Name of the metric, for the message.

    Raises:
        ValueError: If there is none.
    """
    if len(target) == 0:
        raise ValueError(
            f'{user} was given no image at all: check `data_root`, `ann_file` and '
            '`indices` of the data sets in `val_dataloader` and `test_dataloader`.'
        )
