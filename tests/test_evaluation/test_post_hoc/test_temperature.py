# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The chosen temperature against a fine grid."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.evaluation.post_hoc import (
    Layer,
    Outputs,
    fit_temperature,
    temperature_scaling,
)


def images(seed, factor=1.0, size=200):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, 5, generator=generator, dtype=torch.float64)
    labels = torch.distributions.Categorical(logits=logits)
    torch.manual_seed(seed)
    return factor * logits, labels.sample()


@given(seed=st.integers(0, 1000), factor=st.floats(0.1, 20))
@settings(deadline=None, max_examples=20)
def test_is_the_best_of_a_fine_grid(seed, factor):
    logits, labels = images(seed, factor)
    found = fit_temperature(logits, labels)
    grid = 10 ** torch.linspace(-3, 3, 6001, dtype=torch.float64)
    losses = [float(F.cross_entropy(logits / t, labels)) for t in grid]
    best = float(grid[losses.index(min(losses))])
    assert found == pytest.approx(best, rel=2e-3)
    assert float(F.cross_entropy(logits / found, labels)) <= min(losses) + 1e-12


def test_undoes_a_factor():
    logits, labels = images(0, size=20000)
    own = fit_temperature(logits, labels)
    assert own == pytest.approx(1, abs=0.05)  # the labels are drawn from the softmax
    assert fit_temperature(7 * logits, labels) == pytest.approx(7 * own, rel=1e-9)
    shifted = logits + torch.arange(20000.0)[:, None]
    assert fit_temperature(shifted, labels) == pytest.approx(own, rel=1e-6)


def test_borders():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(logits, torch.tensor([0, 1])) == 1e-3  # always right
    assert fit_temperature(logits, torch.tensor([1, 0])) == 1e3  # always wrong


def test_changes_no_prediction_and_is_a_layer():
    logits, labels = images(1, 3.0)
    layer = Layer(torch.eye(5, dtype=torch.float64), torch.zeros(5).double() + 0.5)
    sets = Outputs(logits - 0.5, logits, labels)
    (candidate,) = temperature_scaling(sets, layer).candidates
    scores = candidate.scores(sets)
    assert torch.equal(scores.argmax(dim=1), logits.argmax(dim=1))
    torch.testing.assert_close(candidate.layer.scores(sets), scores)
    torch.testing.assert_close(scores * candidate.value, logits)
