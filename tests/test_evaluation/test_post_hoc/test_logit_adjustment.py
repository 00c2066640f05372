# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Shifted scores against the probabilities of Bayes' rule, in plain Python."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.evaluation.post_hoc import (
    Layer,
    Outputs,
    logit_adjustment,
    logit_shift,
    prior_correction,
)

weights = st.lists(st.floats(0.01, 100), min_size=3, max_size=3)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def normalised(values):
    return [value / sum(values) for value in values]


@given(joint=weights, train=weights, test=weights)
@settings(deadline=None, max_examples=100)
def test_prior_correction_is_bayes_rule(joint, train, test):
    """The posterior of other class frequencies, exactly, if the model has the first."""
    train, test = normalised(train), normalised(test)
    likelihood = joint  # p(x | c)
    posterior = normalised([p * w for p, w in zip(likelihood, train)])
    expected = normalised([p * w for p, w in zip(likelihood, test)])
    images = Outputs(None, tensor([posterior]).log() + 3.0, torch.tensor([0]))
    (candidate,) = prior_correction(tensor(train), tensor(test)).candidates
    found = candidate.scores(images).softmax(dim=1)[0].tolist()
    assert found == pytest.approx(expected, rel=1e-9)


def test_logit_adjustment_is_the_formula():
    prior, logits = [0.9, 0.09, 0.01], [[2, 0.5, -1], [0.3, 1.2, 0.1]]
    layer = Layer(torch.eye(3, dtype=torch.float64), tensor([0.1, 0.0, -0.1]))
    features = tensor(logits) - layer.bias
    images = Outputs(features, tensor(logits), torch.tensor([0, 1]))
    method = logit_adjustment(tensor(prior), layer)
    assert [c.value for c in method.candidates] == [i / 10 for i in range(21)]
    for candidate in method.candidates:
        expected = [
            [z - candidate.value * math.log(p) for z, p in zip(row, prior)]
            for row in logits
        ]
        scores = candidate.scores(images)
        torch.testing.assert_close(scores, tensor(expected))
        torch.testing.assert_close(candidate.layer.scores(images), scores)


def test_known_limits():
    images = Outputs(None, torch.randn(5, 3), torch.zeros(5))
    prior = tensor([0.7, 0.2, 0.1])
    first = logit_adjustment(prior).candidates[0]
    assert torch.equal(first.scores(images), images.logits)
    same = prior_correction(prior, prior).candidates[0]
    torch.testing.assert_close(same.scores(images), images.logits)
    balanced = logit_shift(tensor([1 / 3] * 3), 1.5)
    assert balanced.max() == balanced.min()


def test_scores_that_the_loss_multiplies():
    """Cosines c with the loss's factor s: the shift belongs to s * c."""
    images = Outputs(None, tensor([[0.5, 0.4]]), torch.tensor([0]))
    prior = tensor([0.9, 0.1])
    (candidate,) = prior_correction(prior, tensor([0.5, 0.5]), None, 30.0).candidates
    expected = 30 * images.logits - prior.log() + tensor([0.5, 0.5]).log()
    torch.testing.assert_close(30 * candidate.scores(images), expected)


def test_class_that_the_test_lacks_is_never_predicted_and_has_no_layer():
    layer = Layer(torch.eye(2), torch.zeros(2))
    images = Outputs(torch.eye(2), 50 * torch.eye(2), torch.arange(2))
    prior, test = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    (candidate,) = prior_correction(prior, test, layer).candidates
    assert candidate.scores(images).argmax(dim=1).tolist() == [0, 0]
    assert candidate.layer is None
