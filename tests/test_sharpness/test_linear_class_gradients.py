# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Closed form against gradients that autograd writes out class by class."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.sharpness import LinearClassGradients, random_linear_products


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
