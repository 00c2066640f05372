# Copyright (c) ccsam_mm contributors. All rights reserved.
"""OpenMax against the authors' recipe, written image by image and class by class."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import weibull_min

from ccsam_mm.evaluation.open_set import OpenMax


def slow_weibull(tail):
    """Shape and scale by SciPy's general search."""
    shape, _, scale = weibull_min.fit(tail, floc=0)
    return shape, scale


def slow_score(logits, means, fits, alpha):
    """One minus the probability of the unknown class, for one image."""
    ranked = sorted(range(len(logits)), key=lambda c: -logits[c])
    revised, unknown = list(logits), 0.0
    for rank, c in enumerate(ranked[:alpha], start=1):
        shape, scale = fits[c]
        distance = math.dist(logits, means[c])
        far = 1 - math.exp(-((distance / scale) ** shape))
        weight = 1 - (alpha + 1 - rank) / alpha * far
        revised[c] = logits[c] * weight
        unknown += logits[c] * (1 - weight)
    powers = [math.exp(a) for a in [unknown, *revised]]
    return 1 - powers[0] / sum(powers)


def training(num_classes, per_class, seed=0):
    rng = np.random.default_rng(seed)
    means = 6 * np.eye(num_classes) + rng.normal(size=(num_classes, num_classes))
    labels = np.repeat(np.arange(num_classes), per_class)
    return means, 3 * rng.weibull(4, len(labels)), rng.permutation(labels)


@pytest.mark.parametrize('alpha, tail_size', [(10, 20), (2, 5), (1, 3)])
def test_equals_the_slow_recipe(alpha, tail_size):
    means, distances, labels = training(4, [40, 12, 7, 3])
    open_max = OpenMax(
        *map(torch.tensor, (means, distances, labels)), tail_size=tail_size, alpha=alpha
    )
    tails = [sorted(distances[labels == c])[-tail_size:] for c in range(4)]
    fits = [slow_weibull(tail) for tail in tails]
    # Near a class, between two, and far from all; some logits are negative.
    logits = np.stack([means[1], means[[0, 2]].mean(0), means[3] + 5, -means[0]])
    expected = [slow_score(a.tolist(), means, fits, min(alpha, 4)) for a in logits]
    torch.testing.assert_close(
        open_max(torch.tensor(logits)),
        torch.tensor(expected).double(),
        rtol=1e-3,
        atol=1e-6,
    )
    assert max(expected) > 0.9 and min(expected) < 0.6


def test_few_shot_classes_take_the_fit_of_the_others_together():
    means, distances, labels = training(4, [30, 25, 2, 1])
    distances[labels == 3] = 0.0
    open_max = OpenMax(*map(torch.tensor, (means, distances, labels)), tail_size=10)
    tails = [sorted(distances[labels == c])[-10:] for c in (0, 1)]
    expected = [slow_weibull(t) for t in (*tails, sum(tails, []), sum(tails, []))]
    found = torch.stack([open_max.shape, open_max.scale], dim=1)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-3, atol=0)


def test_equal_distances_are_no_distribution():
    means, distances, labels = training(2, [10, 10])
    distances[labels == 1] = 2.5
    open_max = OpenMax(*map(torch.tensor, (means, distances, labels)))
    assert open_max.shape[1] == open_max.shape[0]
    distances[:] = 2.5
    with pytest.raises(
        ValueError, match='three correctly classified.* another `score`'
    ):
        OpenMax(*map(torch.tensor, (means, distances, labels)))


@pytest.mark.parametrize('spread', [1.0, 1e-2, 1e-4, 2e-7])
def test_fit_is_likelier_than_those_beside_it(spread):
    """Also where the distances differ in their last digits only."""
    tail = 50 * (1 + spread * torch.arange(20).div(20).float())
    labels = torch.zeros(20, dtype=torch.long)
    open_max = OpenMax(torch.zeros(1, 1).double(), tail, labels)
    shape, scale = float(open_max.shape), float(open_max.scale)

    def likelihood(shape, scale):
        return weibull_min.logpdf(tail.double().numpy(), shape, 0, scale).sum()

    best = likelihood(shape, scale)
    for factor in (0.99, 1.01):
        assert likelihood(factor * shape, scale) < best
        assert likelihood(shape, scale * (1 + (factor - 1) / shape)) < best


def test_an_image_on_its_mean_counts_with_the_others():
    """Many copies of one picture are at distance zero."""
    distances = torch.tensor([0.0, 1.0, 2.0, 3.0])
    open_max = OpenMax(torch.zeros(1, 1), distances, torch.zeros(4, dtype=torch.long))
    assert torch.isfinite(torch.stack([open_max.shape, open_max.scale])).all()
