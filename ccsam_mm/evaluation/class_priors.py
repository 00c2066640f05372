# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Class frequencies of a test other than the balanced one, and accuracies under them.

The test distributions of `LADE <https://arxiv.org/abs/2012.00321>`_ and `SADE
<https://arxiv.org/abs/2107.09249>`_.
"""

import math
from collections.abc import Sequence
from typing import Union

import numpy as np

from ccsam_mm.utils.config_types import is_number

PriorSpec = Union[str, Sequence[float]]
_FORMS = (
    "'uniform', 'forward:R' or 'backward:R' with a ratio R >= 1, or one number >= 0"
)


def class_prior(spec: PriorSpec, class_counts: Sequence[int], key: str) -> np.ndarray:
    r"""Class frequencies from their short form.

    Classes are ranked by training images, the most frequent one (rank 0) first and
    equal ones in their order. 'forward:R' is long-tailed as the training is,
    :math:`\pi_c \propto R^{-rank_c / (K - 1)}`; 'backward:R' is the same from the
    other end.

    Args:
        spec (str | Sequence[float]): 'uniform', 'forward:R', 'backward:R', or K numbers
            that are proportional to the frequencies.
        class_counts (Sequence[int]): Training images of each of K classes.
        key (str): What sets ``spec``, for messages.

    Returns:
        np.ndarray: ``(K, )``, in double precision; its sum is 1.

    Raises:
        ValueError: If ``spec`` is no such value, or has other than K numbers.

    Examples:
        >>> from ccsam_mm.evaluation.class_priors import class_prior
        >>> class_prior('forward:4', [10, 1000, 100], 'test_priors').round(3)
        array([0.143, 0.571, 0.286])
        >>> class_prior('backward:4', [10, 1000, 100], 'test_priors').round(3)
        array([0.571, 0.143, 0.286])
    """
    check_prior(spec, key)
    num_classes = len(class_counts)
    if not isinstance(spec, str):
        if len(spec) != num_classes:
            raise ValueError(
                f'{key} has {len(spec)} numbers, but there are {num_classes} classes: '
                'give it one number for each class, in their order.'
            )
        weights = np.asarray(spec, dtype=np.float64)
        return weights / weights.sum()
    if spec == 'uniform':
        return np.full(num_classes, 1 / num_classes)
    direction, _, ratio = spec.partition(':')
    order = np.argsort(-np.asarray(class_counts), kind='stable')
    rank = np.empty(num_classes)
    rank[order] = np.arange(num_classes)
    if direction == 'backward':
        rank = num_classes - 1 - rank
    weights = float(ratio) ** (-rank / max(num_classes - 1, 1))
    return weights / weights.sum()


def check_prior(spec: PriorSpec, key: str) -> None:
    """Refuse what is not the short form of class frequencies.

    Args:
        spec (str | Sequence[float]): As for :func:`class_prior`.
        key (str): What sets it, for the message.

    Raises:
        ValueError: If it is invalid.
    """
    if isinstance(spec, str):
        direction, colon, ratio = spec.partition(':')
        valid = spec == 'uniform' or (
            direction in ('forward', 'backward') and bool(colon) and _is_ratio(ratio)
        )
    else:
        valid = (
            isinstance(spec, (list, tuple))
            and all(map(is_number, spec))
            and 0 < sum(spec) < math.inf
        )
    if not valid:
        raise ValueError(
            f'{key} is {_short(spec)}: set it to {_FORMS} for each class, not all 0.'
        )


def named_priors(
    test_priors: Union[Sequence[str], dict, None], user: str, taken: Sequence[str] = ()
) -> dict:
    """Name the class frequencies of a list, and check those of a list or a dict.

    Args:
        test_priors (Sequence[str] | dict, optional): Short forms, or a dict of them, or
            of K numbers each, by name.
        user (str): Name of the class that has the option, for messages.
        taken (Sequence[str]): Names that mean something else. Defaults to none.

    Returns:
        dict: The short forms or numbers by name, 'forward_50' for 'forward:50'.

    Raises:
        ValueError: If one is invalid, or a name is taken or used twice.

    Examples:
        >>> from ccsam_mm.evaluation.class_priors import named_priors
        >>> named_priors(['forward:50', 'uniform'], 'ShotAccuracy')
        {'forward_50': 'forward:50', 'uniform': 'uniform'}
    """
    key = f'`test_priors` of {user}'
    if test_priors is None:
        return {}
    if isinstance(test_priors, dict):
        named = dict(test_priors)
    elif isinstance(test_priors, (list, tuple)):
        for spec in test_priors:
            if not isinstance(spec, str):
                raise ValueError(
                    f'{key} has {_short(spec)} in a list: write numbers as a dict, '
                    'such as dict(mine=[3, 1, 1]), whose key names the result.'
                )
        named = {spec.replace(':', '_'): spec for spec in test_priors}
    else:
        named = {}
    if len(named) != len(test_priors) or not named:
        raise ValueError(
            f"{key} is {_short(test_priors)}: set it to a list such as ['forward:50', "
            "'uniform', 'backward:50'], each once, or to a dict."
        )
    for name, spec in named.items():
        check_prior(spec, f"'{name}' in {key}")
        if not isinstance(name, str) or name in taken:
            raise ValueError(
                f"{key} names a result '{name}', which is that of another: give it "
                'another name.'
            )
    return named


def prior_accuracy(class_accuracy: np.ndarray, prior: np.ndarray) -> float:
    """Accuracy on a test set with the given class frequencies.

    Args:
        class_accuracy (np.ndarray): The accuracy on each class, ``(K, )``, NaN for a
            class without a test image.
        prior (np.ndarray): The class frequencies, ``(K, )``.

    Returns:
        float: Their weighted mean; NaN if a class that counts has no test image.

    Examples:
        >>> import numpy as np
        >>> from ccsam_mm.evaluation.class_priors import prior_accuracy
        >>> prior_accuracy(np.array([90.0, 50.0]), np.array([0.75, 0.25]))
        80.0
    """
    counts = prior > 0
    return float(np.dot(class_accuracy[counts], prior[counts]))


def _is_ratio(text: str) -> bool:
    try:
        ratio = float(text)
    except ValueError:
        return False
    return 1 <= ratio < math.inf


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'
