# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Closed form against gradients that autograd writes out class by class."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.sharpness import (
    LinearClassGradients,
    direction_factor,
    linear_class_gradients,
    random_linear_products,
)


def explicit_gradients(features, logit_grads, labels, bias):
    """``{class: K x (d + 1) matrix}`` by a loop over images."""
    ones = torch.full((len(features), 1), float(bias), dtype=features.dtype)
    inputs = torch.cat([features, ones], dim=1)
    gradients = {}
    for label in set(labels.tolist()):
        rows = [i for i in range(len(labels)) if labels[i] == label]
        outer = [torch.outer(logit_grads[i], inputs[i]) for i in rows]
        gradients[label] = sum(outer) / len(rows)
    return gradients


@settings(deadline=None, max_examples=50)
@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
def test_norms_and_products(labels, bias, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor(labels)
    features = torch.randn(len(labels), 5, generator=generator, dtype=torch.float64)
    grads = torch.randn(len(labels), 3, generator=generator, dtype=torch.float64)
    others = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    other_labels = torch.tensor([0, 1, 2, 7])
    closed = LinearClassGradients(features, grads, labels, bias=bias)
    explicit = explicit_gradients(features, grads, labels, bias)
    norms = torch.stack([explicit[int(label)].norm() for label in labels])
    torch.testing.assert_close(closed.norms(), norms, rtol=1e-9, atol=1e-12)
    products = closed.products(others, other_labels)
    for row, z, label in zip(products, others, other_labels.tolist()):
        z = torch.cat([z, torch.tensor([float(bias)], dtype=z.dtype)])
        expected = explicit[label] @ z if label in explicit else torch.zeros(3).double()
        torch.testing.assert_close(row, expected, rtol=1e-9, atol=1e-12)


def test_class_gradients_are_those_of_the_class_mean_loss():
    torch.manual_seed(0)
    layer = torch.nn.Linear(6, 4).double()
    features, labels = torch.randn(7, 6).double(), torch.tensor([0, 0, 3, 1, 3, 3, 0])
    logits = layer(features)
    losses = F.cross_entropy(logits, labels, reduction='none')
    (grads,) = torch.autograd.grad(losses.sum(), logits, retain_graph=True)
    norms = LinearClassGradients(features, grads, labels).norms()
    for label in (0, 1, 3):
        parts = torch.autograd.grad(
            losses[labels == label].mean(), list(layer.parameters()), retain_graph=True
        )
        expected = torch.cat([part.flatten() for part in parts]).norm()
        torch.testing.assert_close(norms[labels == label][0], expected)


def test_norms_of_tiny_gradients_do_not_underflow():
    """In float32 the square of 1e-30 is zero, the norm is not."""
    features = torch.tensor([[3.0], [1.0]])
    grads = torch.tensor([[1e-30, 0.0], [1.0, 0.0]])
    norms = LinearClassGradients(features, grads, torch.tensor([0, 1])).norms()
    expected = torch.tensor([10**0.5 * 1e-30, 2**0.5])
    torch.testing.assert_close(norms, expected, rtol=1e-5, atol=0)


def cancelling_class(share, bias=True, seed=0):
    """Eight images whose gradients add up to a share of their length, in float32."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(8, 3 + bias, generator=generator, dtype=torch.float64)
    if bias:
        inputs[:, -1] = 1
    inputs = inputs.float().double()
    grads = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    length = (grads.norm(dim=1) * inputs.norm(dim=1)).sum()
    rest = torch.randn(inputs.shape[1], 4, generator=generator, dtype=torch.float64)
    # Nothing is left of the sum but the rest.
    grads -= inputs @ torch.linalg.lstsq(inputs, grads).solution
    rest *= share * length / rest.norm()
    grads += inputs @ torch.linalg.solve(inputs.T @ inputs, rest)
    return inputs[:, :3].float(), grads.float(), torch.zeros(8, dtype=torch.long)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('share', [1.0, 1e-2, 1e-4, 1e-5, 1e-6])
def test_a_gradient_that_cancels_keeps_its_norm_and_its_length(share, bias):
    """In float32, against the same numbers in float64; the cap holds."""
    features, grads, labels = cancelling_class(share, bias)
    closed = LinearClassGradients(features, grads, labels, bias=bias)
    norms = closed.norms()
    explicit = explicit_gradients(features.double(), grads.double(), labels, bias)
    torch.testing.assert_close(
        norms.double(), explicit[0].norm().expand(8), rtol=1e-5, atol=0
    )
    length = torch.full((8,), 0.1)
    steps = direction_factor(length, norms)[:, None] * closed.products(features, labels)
    # The images' features span the space, so the steps reveal the perturbation.
    ones = torch.full((8, 1), float(bias), dtype=torch.float64)
    inputs = torch.cat([features.double(), ones], dim=1)
    perturbation = (torch.linalg.pinv(inputs) @ steps.double()).norm().item()
    assert perturbation == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize('precise', [True, False])
@pytest.mark.parametrize('share', [1e-3, 1e-4, 1e-5, 1e-7, 1e-9])
def test_no_perturbation_is_longer_than_asked_for(monkeypatch, share, precise):
    """Also on devices without double precision, where it is zero more often."""
    if not precise:
        monkeypatch.setattr(linear_class_gradients, '_precise', lambda tensor: tensor)
    for seed in range(20):
        features, grads, labels = cancelling_class(share, seed=seed)
        closed = LinearClassGradients(features, grads, labels)
        norms = closed.norms()
        products = closed.products(features, labels)
        factor = direction_factor(0.1 * (norms > 0), norms)
        inputs = torch.cat([features, torch.ones(8, 1)], dim=1).double()
        steps = (factor[:, None] * products).double()
        assert (torch.linalg.pinv(inputs) @ steps).norm() < 0.11


def test_cancelling_gradients_are_zero_and_finite():
    features, grads = torch.ones(2, 3), torch.tensor([[1.0], [-1.0]])
    norms = LinearClassGradients(features, grads, torch.tensor([0, 0])).norms()
    assert norms.tolist() == [0, 0]


def test_random_directions_have_unit_norm_and_differ_by_class():
    """The images' features span the whole space, so outputs reveal the matrix."""
    torch.manual_seed(0)
    features = torch.eye(3).double().repeat(2, 1)
    labels = torch.tensor([0, 0, 0, 5, 5, 5])
    products = random_linear_products(features, labels, out_features=4, bias=False)
    matrices = products.view(2, 3, 4)
    torch.testing.assert_close(matrices.flatten(1).norm(dim=1), torch.ones(2).double())
    assert not torch.allclose(matrices[0], matrices[1])
