# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The F-measure of open long-tailed recognition, in its two versions, and its floor.

With N images of known and U of unknown classes, A = TP / N (the accuracy on the knowns,
a rejected image being wrong) and u accepted unknowns, the corrected rule says

    precision = A,  recall = TP / (TP + u),  F = 2 A / (1 + A + u / N).

So F lies between F0 = 2 A / (1 + A + U / N), where no unknown is rejected, and
2 A / (1 + A), where all are. F0 is the floor at *this* A, which rejection lowers. What
accepting every image would give, with the accuracy A_all, is another number, and F can
be less: F is at least that if and only if A / A_all >= (N + u) / (N + U), which says
that the lost share of the right answers is at most (U - u) / (N + U), the rejected
unknowns as a share of all images.
"""

from typing import Union

import numpy as np

Counts = Union[int, np.ndarray]


def open_set_f_measures(
    right: Counts, wrong: Counts, unknown: Counts, num_known: int, num_unknown: int
) -> dict[str, np.ndarray]:
    """Calculate the F-measures from the numbers of accepted images.

    Liu et al., Large-Scale Long-Tailed Recognition in an Open World, CVPR 2019, after
    Bendale and Boult, Towards Open Set Deep Networks, CVPR 2016. True positives are
    knowns that are right and accepted, false negatives accepted unknowns. False
    positives are all other knowns, also rejected ones; the authors' code before 2020
    left those out, which rewards rejecting nearly everything.

    Args:
        right (int | np.ndarray): Known images that are accepted and right, a number or
            one for each of T thresholds with shape ``(T, )``.
        wrong (int | np.ndarray): Known images that are accepted and wrong.
        unknown (int | np.ndarray): Unknown images that are accepted.
        num_known (int): All known images, at least one.
        num_unknown (int): All unknown images.

    Returns:
        dict[str, np.ndarray]: ``f_measure``; ``f_measure_legacy`` of the older rule;
        and ``f_floor``, what ``f_measure`` were with as many right answers, had no
        unknown been rejected. Fractions, 0 where nothing is right.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import open_set_f_measures
        >>> f = open_set_f_measures(right=50, wrong=10, unknown=5, num_known=100,
        ...                         num_unknown=20)
        >>> {key: round(float(value), 3) for key, value in f.items()}
        {'f_measure': 0.645, 'f_measure_legacy': 0.87, 'f_floor': 0.588}
    """
    return dict(
        f_measure=_f_measure(right, num_known - right, unknown),
        f_measure_legacy=_f_measure(right, wrong, unknown),
        f_floor=_f_measure(right, num_known - right, num_unknown),
    )


def _f_measure(true_pos: Counts, false_pos: Counts, false_neg: Counts) -> np.ndarray:
    """2PR / (P + R), which needs no case for P or R of 0 / 0 when written in counts."""
    total = np.asarray(2 * true_pos + false_pos + false_neg, dtype=float)
    return np.divide(2 * true_pos, total, out=np.zeros_like(total), where=total > 0)
