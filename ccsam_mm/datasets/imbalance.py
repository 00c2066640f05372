# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Long-tailed subsets of balanced data sets, image by image those of LDAM.

K. Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
Loss", NeurIPS 2019, https://arxiv.org/abs/1906.07413.
"""

from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np

from ccsam_mm.utils.config_types import is_count

from .class_counts import describe_class


def long_tailed_counts(
    num_classes: int,
    max_count: int,
    imbalance_ratio: float = 100,
    imbalance_type: str = 'exp',
    classes: Optional[Sequence[str]] = None,
) -> list[int]:
    """Compute how many images each class of a long-tailed set has.

    With K classes, class c has ``int(max_count * ratio^(-c / (K - 1)))`` images
    ('exp'), or the first half of the classes has ``max_count`` and the rest
    ``int(max_count / ratio)`` images ('step').

    Args:
        num_classes (int): The number of classes K.
        max_count (int): The number of images of the largest class.
        imbalance_ratio (float): The largest count over the smallest one.
            Defaults to 100.
        imbalance_type (str): 'exp' or 'step'. Defaults to 'exp'.
        classes (Sequence[str], optional): The names of the classes, for error
            messages. Defaults to None.

    Returns:
        list[int]: The number of images of each class, all positive.

    Examples:
        >>> from ccsam_mm.datasets import long_tailed_counts
        >>> long_tailed_counts(10, 5000, imbalance_ratio=100)
        [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
        >>> long_tailed_counts(4, 5000, imbalance_ratio=100, imbalance_type='step')
        [5000, 5000, 50, 50]
    """
    if imbalance_type not in ('exp', 'step'):
        raise ValueError(
            f"imbalance_type='{imbalance_type}' is unknown: set `imbalance_type` to "
            "'exp' or 'step'."
        )
    is_number = isinstance(imbalance_ratio, (int, float))
    if not is_number or not imbalance_ratio >= 1:
        raise ValueError(
            f'imbalance_ratio={imbalance_ratio!r} is the largest class over the '
            'smallest one: set `imbalance_ratio` to a number of at least 1.'
        )
    index = np.arange(num_classes)
    if imbalance_type == 'exp':
        exponent = index / max(num_classes - 1, 1)
    else:
        exponent = (index >= num_classes // 2).astype(float)
    # The small addend makes 49 * (1 / 49) one image, not none.
    counts = (max_count * (1 / imbalance_ratio) ** exponent + 1e-9).astype(int)
    if counts.min() < 1:
        first = int(np.flatnonzero(counts < 1)[0])
        raise ValueError(
            f'imbalance_ratio={imbalance_ratio} leaves class '
            f'{describe_class(first, classes)} with 0 images, because the largest '
            f'class has {max_count}: set `imbalance_ratio` to {max_count} or less.'
        )
    return counts.tolist()


def select_long_tailed(
    labels: np.ndarray, counts: Sequence[int], seed: int = 0
) -> np.ndarray:
    """Select a number of random images of each class.

    One generator serves all classes in ascending order: it shuffles the indices
    of a class, of which the first are taken. A class with fewer images than
    wanted keeps all that it has.

    Args:
        labels (np.ndarray): The label of every image, with shape ``(N, )``.
        counts (Sequence[int]): The number of images wanted of each class.
        seed (int): The seed of the generator. Defaults to 0.

    Returns:
        np.ndarray: The selected indices in ascending order, so that the classes
        stay mixed as they were.
    """
    parts = zip(_shuffled(labels, len(counts), seed), counts)
    return np.sort(np.concatenate([indices[:count] for indices, count in parts]))


def select_held_out(
    labels: np.ndarray,
    counts: Sequence[int],
    held_out: int,
    seed: int = 0,
    classes: Optional[Sequence[str]] = None,
) -> np.ndarray:
    """Select as many images of each class that :func:`select_long_tailed` leaves.

    They are the last ones of the order of which it takes the first, so that they do
    not depend on the counts, and its choice does not depend on them.

    Args:
        labels (np.ndarray): The label of every image, with shape ``(N, )``.
        counts (Sequence[int]): The number of images of each class that are taken
            for training.
        held_out (int): The number of images of every class to select.
        seed (int): The seed of the generator. Defaults to 0.
        classes (Sequence[str], optional): The names of the classes, for error
            messages. Defaults to None.

    Returns:
        np.ndarray: The selected indices in ascending order, without any of training.
    """
    selected = []
    for label, indices in enumerate(_shuffled(labels, len(counts), seed)):
        needed = counts[label] + held_out
        if needed > len(indices):
            raise ValueError(
                f'class {describe_class(label, classes)} has {len(indices)} images, '
                f'but {counts[label]} for training and held_out={held_out} need '
                f'{needed}: set a smaller `held_out` or `max_per_class`.'
            )
        selected.append(indices[-held_out:])
    return np.sort(np.concatenate(selected))


def _shuffled(labels: np.ndarray, num_classes: int, seed: int) -> Iterator[np.ndarray]:
    """Shuffle the indices of each class in turn."""
    if not is_count(int(seed) if isinstance(seed, np.integer) else seed, least=0):
        raise ValueError(
            f'seed={seed!r} cannot select images: set `seed` of the data set to an '
            'integer >= 0.'
        )
    rng = np.random.RandomState(seed)
    for label in range(num_classes):
        indices = np.flatnonzero(labels == label)
        rng.shuffle(indices)
        yield indices
