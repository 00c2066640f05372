# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Many-shot, medium-shot and few-shot classes."""

from collections.abc import Sequence

import numpy as np


def shot_groups(
    class_counts: Sequence[int], shot_rule: str = 'strict'
) -> dict[str, np.ndarray]:
    """Group the classes by their number of training images.

    Args:
        class_counts (Sequence[int]): Training images of each of K classes.
        shot_rule (str): 'strict': many > 100, medium 20..100, few < 20; 'inclusive':
            many >= 100, medium 21..99, few <= 20. Defaults to 'strict'.

    Returns:
        dict[str, np.ndarray]: Masks of shape ``(K, )`` of ``many``, ``medium`` and
        ``few``; each class is in one of them.

    Examples:
        >>> from ccsam_mm.evaluation import shot_groups
        >>> shot_groups([500, 60, 4])['medium']
        array([False,  True, False])
    """
    check_shot_rule(shot_rule, 'shot_groups')
    counts = np.asarray(class_counts)
    if shot_rule == 'strict':
        many, few = counts > 100, counts < 20
    else:
        many, few = counts >= 100, counts <= 20
    return dict(many=many, medium=~many & ~few, few=few)


def check_shot_rule(shot_rule: str, user: str) -> None:
    """Refuse a rule that :func:`shot_groups` does not know.

    Args:
        shot_rule (str): The rule.
        user (str): Name of the class that has the option, for the message.
    """
    if shot_rule not in ('strict', 'inclusive'):
        raise ValueError(
            f"shot_rule='{shot_rule}' is unknown: set `shot_rule` of {user} to "
            "'strict' or 'inclusive'."
        )
