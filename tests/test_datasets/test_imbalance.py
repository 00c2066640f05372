# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracles: LDAM's published loop, written out here, and the table of its counts."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccsam_mm.datasets import long_tailed_counts, select_long_tailed


def ldam_counts(num_classes, max_count, imb_type, imb_factor):
    """`get_img_num_per_cls` of the LDAM repository, without the self."""
    counts = []
    if imb_type == 'exp':
        for cls_idx in range(num_classes):
            num = max_count * (imb_factor ** (cls_idx / (num_classes - 1.0)))
            counts.append(int(num))
    else:
        for _ in range(num_classes // 2):
            counts.append(int(max_count))
        for _ in range(num_classes // 2):
            counts.append(int(max_count * imb_factor))
    return counts


def ldam_images(labels, counts, seed):
    """`gen_imbalanced_data` of the LDAM repository, with a generator of its own."""
    rng = np.random.RandomState(seed)
    kept = []
    for the_class, the_img_num in enumerate(counts):
        idx = np.where(labels == the_class)[0]
        rng.shuffle(idx)
        kept.extend(idx[:the_img_num].tolist())
    return kept


@pytest.mark.parametrize('num_classes, max_count', [(10, 5000), (100, 500)])
@pytest.mark.parametrize('imb_type', ['exp', 'step'])
@pytest.mark.parametrize('ratio, factor', [(200, 0.005), (100, 0.01), (50, 0.02)])
def test_counts_are_those_of_ldam(num_classes, max_count, imb_type, ratio, factor):
    expected = ldam_counts(num_classes, max_count, imb_type, factor)
    assert long_tailed_counts(num_classes, max_count, ratio, imb_type) == expected


@pytest.mark.parametrize(
    'num_classes, max_count, ratio, total, smallest, groups',
    [
        (10, 5000, 200, 11203, 25, (7, 3, 0)),
        (10, 5000, 100, 12406, 50, (8, 2, 0)),
        (10, 5000, 50, 13996, 100, (9, 1, 0)),
        (100, 500, 200, 9502, 2, (30, 31, 39)),
        (100, 500, 100, 10847, 5, (35, 35, 30)),
        (100, 500, 50, 12608, 10, (41, 41, 18)),
    ],
)
def test_published_totals(num_classes, max_count, ratio, total, smallest, groups):
    counts = long_tailed_counts(num_classes, max_count, ratio)
    assert (sum(counts), counts[0], counts[-1]) == (total, max_count, smallest)
    many = sum(c > 100 for c in counts)
    few = sum(c < 20 for c in counts)
    assert (many, num_classes - many - few, few) == groups


@given(
    num_classes=st.integers(2, 30),
    max_count=st.integers(1, 2000),
    imb_type=st.sampled_from(['exp', 'step']),
)
@example(num_classes=10, max_count=49, imb_type='exp')  # 49 * (1 / 49) < 1
@settings(deadline=None, max_examples=50)
def test_largest_ratio_leaves_one_image(num_classes, max_count, imb_type):
    counts = long_tailed_counts(num_classes, max_count, max_count, imb_type)
    assert counts[0] == max_count and counts[-1] == 1
    assert counts == sorted(counts, reverse=True)
    with pytest.raises(ValueError, match=f'`imbalance_ratio` to {max_count} or less'):
        long_tailed_counts(num_classes, max_count, max_count * 1.01 + 1, imb_type)


def test_one_class_keeps_all():
    assert long_tailed_counts(1, 7, 100) == [7]


@given(
    labels=st.lists(st.integers(0, 4), min_size=5, max_size=60),
    counts=st.lists(st.integers(1, 20), min_size=5, max_size=5),
    seed=st.integers(0, 5),
)
@settings(deadline=None, max_examples=40)
def test_images_are_those_of_ldam(labels, counts, seed):
    labels = np.array(labels)
    selected = select_long_tailed(labels, counts, seed)
    assert selected.tolist() == sorted(ldam_images(labels, counts, seed))


def test_selection_leaves_global_random_state_alone():
    before = np.random.get_state()[1].copy()
    select_long_tailed(np.repeat([0, 1], 50), [30, 10])
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(imbalance_ratio=0.5), 'imbalance_ratio=0.5 .* at least 1'),
        (dict(imbalance_ratio=float('nan')), 'at least 1'),
        (dict(imbalance_ratio='100'), "imbalance_ratio='100' .* at least 1"),
        (dict(imbalance_type='linear'), "'linear' is unknown: .* 'exp' or 'step'"),
        (
            dict(imbalance_ratio=51, classes=['cat', 'dog']),
            r"leaves class 1 \('dog'\) with 0 images, .* has 50: set .* to 50 or less",
        ),
    ],
)
def test_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        long_tailed_counts(2, 50, **kwargs)
