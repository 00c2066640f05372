# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Numbers of the authors' own code (classifier-balancing), and the formula."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.evaluation.post_hoc import Layer, Outputs, tau_norm, tau_norm_weight

FEATURES = torch.tensor([[1, 2, 0, 0.5], [0.2, 0.1, 1, 0]], dtype=torch.float64)
WEIGHT = torch.arange(12, dtype=torch.float64).reshape(3, 4) / 10 - 0.5
BIAS = torch.tensor([0.1, 0, -0.1], dtype=torch.float64)
OFFICIAL = {
    '0.0': [[-1.4, 0, 1.4], [-0.44, 0.08, 0.6]],
    '0.5': [[-1.633163, 0, 1.453796], [-0.513280, 0.161641, 0.623055]],
    '1.0': [[-1.905159, 0, 1.509659], [-0.598764, 0.326599, 0.646997]],
}


def test_equals_the_official_numbers():
    images = Outputs(FEATURES, FEATURES @ WEIGHT.T + BIAS, torch.tensor([0, 1]))
    candidates = tau_norm(Layer(WEIGHT, BIAS)).candidates
    assert [candidate.name for candidate in candidates] == [
        f'{i / 10}' for i in range(21)
    ]
    for candidate in candidates:
        if candidate.name in OFFICIAL:
            expected = torch.tensor(OFFICIAL[candidate.name], dtype=torch.float64)
            torch.testing.assert_close(
                candidate.scores(images), expected, rtol=0, atol=1e-6
            )


@given(seed=st.integers(0, 10**6), tau=st.floats(0, 2))
@settings(deadline=None, max_examples=50)
def test_equals_the_formula(seed, tau):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    found = tau_norm_weight(weight, tau).tolist()
    for own, row in zip(weight.tolist(), found):
        norm = sum(w * w for w in own) ** 0.5
        assert row == pytest.approx([w / norm**tau for w in own], rel=1e-12)


def test_a_class_without_weights_stays():
    weight = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    expected = torch.tensor([[0.0, 0.0], [0.6, 0.8]])
    torch.testing.assert_close(tau_norm_weight(weight, 1.0), expected)
