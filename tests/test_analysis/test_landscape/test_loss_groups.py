# Copyright (c) ccsam_mm contributors. All rights reserved.
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsam_mm.analysis.landscape import loss_groups, surface_groups
from ccsam_mm.analysis.landscape.curve import group_losses

COUNTS = [500, 101, 100, 20, 19, 1]


def brute_force(losses, labels, counts, available):
    """Means by loops over classes and images."""
    own = {c: [x for x, y in zip(losses, labels) if y == c] for c in set(labels)}
    means = {c: statistics.fmean(values) for c, values in own.items()}
    images = sum(available[c] for c in means)
    groups = dict(
        all=sum(available[c] * mean for c, mean in means.items()) / images,
        class_mean=statistics.fmean(means.values()),
    )
    for name, belongs in dict(
        many=lambda n: n > 100, medium=lambda n: 20 <= n <= 100, few=lambda n: n < 20
    ).items():
        members = [mean for c, mean in means.items() if belongs(counts[c])]
        if members:
            groups[name] = statistics.fmean(members)
    return groups


@given(
    st.lists(st.tuples(st.integers(0, 5), st.floats(0, 9)), min_size=1, max_size=20),
    st.lists(st.integers(0, 30), min_size=6, max_size=6),
)
def test_means_of_groups(images, more):
    labels = [label for label, _ in images]
    losses = [loss for _, loss in images]
    available = [labels.count(c) + more[c] for c in range(6)]
    groups = loss_groups(torch.tensor(labels), COUNTS, available)
    found = group_losses(torch.tensor(losses, dtype=torch.float64), groups)
    assert found == pytest.approx(brute_force(losses, labels, COUNTS, available))
    assert all(float(w.sum()) == pytest.approx(1) for w in groups.values())


def test_all_is_the_plain_mean_over_all_images():
    groups = loss_groups(torch.tensor([0, 0, 5]), COUNTS, [2, 0, 0, 0, 0, 1])
    assert groups['all'].tolist() == pytest.approx([1 / 3] * 3)
    assert list(groups) == ['all', 'class_mean', 'many', 'few']


def test_rule():
    labels = torch.tensor([2])
    assert list(loss_groups(labels, COUNTS, [1] * 6))[2:] == ['medium']
    assert list(loss_groups(labels, COUNTS, [1] * 6, 'inclusive'))[2:] == ['many']


def test_infinite_losses_spoil_their_own_group_alone():
    losses = torch.tensor([1.0, float('inf')])
    weights = dict(all=torch.tensor([0.5, 0.5]), many=torch.tensor([1.0, 0.0]))
    assert group_losses(losses, weights) == dict(all=None, many=1.0)


def test_panels_of_a_surface():
    assert surface_groups(['all', 'class_mean', 'many', 'medium', 'few']) == [
        'all', 'many', 'few']  # fmt: skip
    assert surface_groups(['all', 'class_mean', 'medium']) == ['all', 'medium']
