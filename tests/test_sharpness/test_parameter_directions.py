# Copyright (c) ccsam_mm contributors. All rights reserved.
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ccsam_mm.sharpness import filter_normalized_direction, gaussian_direction

SHAPES = st.lists(
    st.lists(st.integers(1, 4), min_size=0, max_size=4), min_size=1, max_size=4
)


def parameters(shapes, seed):
    generator = torch.Generator().manual_seed(seed + 1000)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    ]


def length(values):
    return math.sqrt(sum(float(x) ** 2 for v in values for x in v.flatten()))


@given(SHAPES, st.integers(0, 99))
def test_noise_is_as_long_as_the_parameters(shapes, seed):
    values = parameters(shapes, seed)
    noise = gaussian_direction(values, torch.Generator().manual_seed(seed))
    assert [part.shape for part in noise] == [value.shape for value in values]
    assert length(noise) == pytest.approx(length(values), rel=1e-12)
    again = gaussian_direction(values, torch.Generator().manual_seed(seed))
    assert all(torch.equal(*pair) for pair in zip(noise, again))


@given(SHAPES, st.integers(0, 99))
def test_each_filter_is_as_long_as_its_own(shapes, seed):
    values = parameters(shapes, seed)
    parts = filter_normalized_direction(values, torch.Generator().manual_seed(seed))
    for value, part in zip(values, parts):
        if value.ndim < 2:
            assert not part.any()
            continue
        for own, drawn in zip(value, part):
            assert length([drawn]) == pytest.approx(length([own]), rel=1e-12)


def test_noise_has_no_preferred_direction():
    values = [torch.zeros(1), torch.ones(1, 3)]
    generator = torch.Generator().manual_seed(0)
    draws = [torch.cat([p.flatten() for p in gaussian_direction(values, generator)])
             for _ in range(4000)]  # fmt: skip
    moments = torch.stack(draws).square().mean(dim=0)
    torch.testing.assert_close(moments, torch.full((4,), 0.75), rtol=0.1, atol=0)


def test_one_noise_in_all_precisions():
    values = [torch.randn(3, 2, dtype=torch.float64)]
    for function in (gaussian_direction, filter_normalized_direction):
        (double,) = function(values, torch.Generator().manual_seed(3))
        (single,) = function([values[0].float()], torch.Generator().manual_seed(3))
        torch.testing.assert_close(single, double.float())


def test_filters_of_zero_do_not_move():
    (part,) = filter_normalized_direction(
        [torch.tensor([[0.0, 0.0], [3.0, 4.0]])], torch.Generator().manual_seed(0)
    )
    assert part[0].tolist() == [0, 0]
    assert float(part[1].norm()) == pytest.approx(5)
