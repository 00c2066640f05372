# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch

from ccsam_mm.sharpness import projected_ascent


def quadratic(eigenvalues, slope):
    """A loss with its gradient, and a vector of its size."""
    curvature = torch.tensor(eigenvalues, dtype=torch.float64)
    slope = torch.tensor(slope, dtype=torch.float64)

    def loss_and_grad(e):
        return (slope * e + curvature * e * e / 2).sum(), slope + curvature * e

    return loss_and_grad, torch.zeros_like(slope)


def test_one_step_is_that_of_sam():
    loss, like = quadratic([2.0, 6.0], [3.0, 4.0])
    e = 0.5 * torch.tensor([0.6, 0.8], dtype=torch.float64)
    assert float(projected_ascent(loss, like, 0.5)) == pytest.approx(float(loss(e)[0]))


def test_steps_find_the_largest_loss_of_the_ball():
    """Around the circle, tried point by point."""
    loss, like = quadratic([1.0, 40.0], [3.0, 0.5])
    angles = torch.linspace(0, 6.2832, 100_001, dtype=torch.float64)
    points = 0.3 * torch.stack([angles.cos(), angles.sin()], dim=1)
    best = max(float(loss(point)[0]) for point in points[::10])
    one = float(projected_ascent(loss, like, 0.3))
    many = float(projected_ascent(loss, like, 0.3, steps=30))
    assert one < 0.95 * best
    assert many == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize('steps', [0, 1, 7])
def test_more_steps_are_never_worse_and_stay_in_the_ball(steps):
    seen = []
    loss, like = quadratic([-5.0, 1.0], [1.0, 1.0])

    def watched(e):
        seen.append(float(e.norm()))
        return loss(e)

    first = projected_ascent(loss, like, 0.4)
    assert projected_ascent(watched, like, 0.4, steps) >= first
    assert max(seen) <= 0.4 + 1e-12


def test_limits():
    loss, like = quadratic([1.0, 1.0], [0.0, 0.0])  # no gradient, no direction
    assert float(projected_ascent(loss, like, 0.5, 3)) == 0
    loss, like = quadratic([1.0, 1.0], [1.0, 0.0])
    assert float(projected_ascent(loss, like, 0.0, 3)) == 0
