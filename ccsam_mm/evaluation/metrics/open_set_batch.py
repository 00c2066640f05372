# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Labels and scores of a batch for open-set metrics, and those of all batches."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def batch_targets(data_samples: Sequence[dict], num_classes: int) -> Tensor:
    """Join and check the labels of a batch.

    Args:
        data_samples (Sequence[dict]): The outputs of the model.
        num_classes (int): The number of classes that the model scores.

    Returns:
        Tensor: The labels with shape ``(B, )``, -1 for unknown classes.

    Raises:
        ValueError: If an image has several labels, or one of no class.
    """
    labels = [sample['gt_label'] for sample in data_samples]
    if any(label.numel() != 1 for label in labels):
        raise ValueError(
            'OpenSetMetric needs one label per image, but `gt_label` has '
            f'{max(label.numel() for label in labels)}: choose another `type` in '
            '`val_evaluator` and `test_evaluator`.'
        )
    target = torch.cat(labels)
    wrong = target[(target < -1) | (target >= num_classes)]
    if wrong.numel():
        raise ValueError(
            f'OpenSetMetric met the label {int(wrong[0])}, but the model scores '
            f'{num_classes} classes: in the evaluated data set, give unknown classes '
            f'the label -1, and known ones 0 to {num_classes - 1}.'
        )
    return target


def batch_scores(
    data_samples: Sequence[dict], score_key: str, confidence: Tensor
) -> list[float]:
    """Take the scores of ``OpenSetHook``; the largest probability needs no hook.

    Args:
        data_samples (Sequence[dict]): The outputs of the model.
        score_key (str): The name of the score.
        confidence (Tensor): The largest probabilities with shape ``(B, )``.

    Returns:
        list[float]: One score per image.

    Raises:
        ValueError: If the images lack the score.
    """
    first = data_samples[0].get('open_set_scores', {})
    if score_key in first:
        return [float(s['open_set_scores'][score_key]) for s in data_samples]
    if score_key == 'msp':
        return confidence.tolist()
    raise ValueError(
        f"The images have no score '{score_key}' for OpenSetMetric, but "
        f"{sorted(first)}: add dict(type='OpenSetHook') to `custom_hooks`, test "
        "without test-time augmentation, or set `score` to 'msp'."
    )


def results_as_arrays(results: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join the results of all images.

    Args:
        results (list): One tuple of prediction, label and score for each image.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: The three, each with shape ``(N, )``.

    Raises:
        ValueError: If there is no image.
    """
    if not results:
        raise ValueError(
            'OpenSetMetric was given no image at all: check `data_root`, `ann_file` '
            'and `indices` of the data sets in `val_dataloader` and `test_dataloader`.'
        )
    pred, target, score = map(np.asarray, zip(*results))
    return pred, target, score
