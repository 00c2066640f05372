# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Shifted priors against the rule written out, and against drawn test sets."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.evaluation.class_priors import class_prior, named_priors, prior_accuracy

KEY = '`test_priors` of X'
counts_lists = st.lists(st.integers(1, 500), min_size=1, max_size=12)


@given(counts=counts_lists, ratio=st.floats(1, 200))
@settings(deadline=None, max_examples=100)
def test_equals_the_rule(counts, ratio):
    ranked = sorted(range(len(counts)), key=lambda c: -counts[c])  # stable
    steps = max(len(counts) - 1, 1)
    weights = {c: ratio ** (-rank / steps) for rank, c in enumerate(ranked)}
    expected = [weights[c] / sum(weights.values()) for c in range(len(counts))]
    forward = class_prior(f'forward:{ratio}', counts, KEY)
    np.testing.assert_allclose(forward, expected, rtol=1e-12)
    # From the other end: the rarest class is as frequent as the most frequent was.
    backward = class_prior(f'backward:{ratio}', counts, KEY)
    for own, other in zip(ranked, reversed(ranked)):
        assert backward[own] == pytest.approx(forward[other], rel=1e-12)
    assert forward.sum() == pytest.approx(1)
    assert forward.max() / forward.min() == pytest.approx(
        ratio if len(counts) > 1 else 1
    )


def test_known_limits():
    for spec in ('uniform', 'forward:1', 'backward:1'):
        np.testing.assert_allclose(class_prior(spec, [9, 5, 1], KEY), [1 / 3] * 3)
    assert class_prior('forward:50', [7], KEY) == [1]
    # Equal counts stay in their order.
    assert (np.diff(class_prior('forward:4', [5, 5, 5], KEY)) < 0).all()
    np.testing.assert_allclose(class_prior([3, 1, 0], [9, 5, 1], KEY), [0.75, 0.25, 0])


def test_is_the_mean_over_drawn_test_sets():
    """LADE and SADE draw a long-tailed test set from a balanced one, once."""
    counts, right = [90, 30, 10, 3], [40, 30, 20, 10]  # of 40 test images each
    prior = class_prior('backward:8', counts, KEY)
    exact = prior_accuracy(np.array(right) / 40 * 100, prior)
    sizes = np.round(40 * prior / prior.max()).astype(int)
    assert sizes.tolist() == [5, 10, 20, 40]
    images = [[i < hits for i in range(40)] for hits in right]
    generator, drawn = random.Random(0), []
    for _ in range(2000):
        subset = [generator.sample(own, size) for own, size in zip(images, sizes)]
        hits = [hit for own in subset for hit in own]
        drawn.append(100 * sum(hits) / len(hits))
    error = np.std(drawn) / len(drawn) ** 0.5
    assert np.mean(drawn) == pytest.approx(exact, abs=4 * error)


def test_class_without_image_counts_only_if_it_has_a_share():
    accuracy = np.array([80.0, np.nan])
    assert prior_accuracy(accuracy, np.array([1.0, 0.0])) == 80
    assert np.isnan(prior_accuracy(accuracy, np.array([0.5, 0.5])))


@pytest.mark.parametrize(
    'spec',
    ['forward', 'forward:', 'forward:0.5', 'forward:inf', 'forward:nan', 'uniform:2',
     'sideways:2', '', [], [0, 0], [1, -1], [1, float('nan')], [1, True], 5, None],
)  # fmt: skip
def test_invalid_ones_are_refused(spec):
    with pytest.raises(ValueError, match=r"`test_priors` of X is .*: set it to 'unif"):
        class_prior(spec, [5, 1], KEY)


def test_other_number_of_classes_is_refused():
    with pytest.raises(ValueError, match='has 3 numbers, but there are 2 classes'):
        class_prior([1, 1, 1], [5, 1], KEY)


def test_names():
    given = ['forward:2.5', 'uniform']
    expected = {'forward_2.5': 'forward:2.5', 'uniform': 'uniform'}
    assert named_priors(given, 'X') == expected
    assert named_priors(dict(mine=[3, 1]), 'X') == dict(mine=[3, 1])
    assert named_priors(None, 'X') == {}
    for bad, said in (
        ([], r'is \[\]: set it to a list'),
        ('forward:50', "is 'forward:50': set it to a list"),
        (['uniform', 'uniform'], 'each once'),
        ([[3, 1]], 'write numbers as a dict'),
        (['forward'], "'forward' in `test_priors` of X is 'forward'"),
        (dict(mine=[1, -1]), "'mine' in `test_priors` of X is"),
        (dict(top1='uniform'), "names a result 'top1'"),
    ):
        with pytest.raises(ValueError, match=said):
            named_priors(bad, 'X', taken=('top1',))
