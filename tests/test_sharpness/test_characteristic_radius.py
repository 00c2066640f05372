# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Eq. 8 and 9 against Python's own arithmetic, one class at a time."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.sharpness import characteristic_radius, perturbation_norm

positive = st.floats(1e-6, 1e6)


@settings(deadline=None)
@given(
    weight_norm=positive,
    grad_norms=st.lists(positive, min_size=1, max_size=5),
    num_params=st.integers(1, 10**8),
    count=st.integers(1, 10**6),
    rho_scale=st.floats(0, 10),
    cap=st.one_of(st.none(), st.floats(1e-3, 10)),
    floor=st.one_of(st.just(0.0), positive),
)
def test_against_scalar_formula(
    weight_norm, grad_norms, num_params, count, rho_scale, cap, floor
):
    counts = torch.tensor([count] * len(grad_norms))
    weight = torch.tensor(weight_norm, dtype=torch.float64)
    grads = torch.tensor(grad_norms, dtype=torch.float64)
    radius = characteristic_radius(weight, grads, num_params, counts, floor)
    length = perturbation_norm(
        weight,
        grads,
        num_params,
        counts,
        rho_scale=rho_scale,
        max_relative_norm=cap,
        min_grad_norm=floor,
    )
    for i, grad_norm in enumerate(grad_norms):
        images = count - 1 if count > 1 else 1
        rho = math.sqrt(weight_norm / (2 * max(grad_norm, floor)))
        rho = rho / math.pow(num_params, 0.25) / math.pow(images, 0.25)
        expected = rho_scale * math.sqrt(num_params) * rho
        if cap is not None:
            expected = min(expected, cap * weight_norm)
        assert math.isclose(radius[i], rho, rel_tol=1e-12)
        assert math.isclose(length[i], expected, rel_tol=1e-12)


def test_rarer_classes_get_a_larger_radius():
    grads, counts = torch.ones(4), torch.tensor([1000, 100, 10, 2])
    radius = characteristic_radius(torch.tensor(1.0), grads, 10, counts)
    assert (radius.diff() > 0).all()


def test_zero_gradient_gives_no_perturbation():
    grads, counts = torch.tensor([0.0, 1.0]), torch.tensor([5, 5])
    for radius in ('characteristic', 2.0):
        length = perturbation_norm(torch.tensor(3.0), grads, 7, counts, radius=radius)
        assert length[0] == 0 and length[1] > 0


def test_zero_weights_give_no_perturbation():
    length = perturbation_norm(
        torch.tensor(0.0), torch.tensor([0.0, 1.0]), 7, torch.tensor([5, 5])
    )
    assert length.tolist() == [0, 0]
