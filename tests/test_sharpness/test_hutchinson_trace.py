# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch

from ccsam_mm.sharpness import hutchinson_trace


def symmetric(size, seed=0):
    matrix = torch.randn(
        size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return matrix + matrix.T


def test_mean_and_variance_of_the_estimates():
    """The variance is that of theory: 2 sum of the squares beside the diagonal."""
    matrix = symmetric(6)
    estimates = hutchinson_trace(
        lambda v: matrix @ v, matrix[0], 4000, torch.Generator().manual_seed(1)
    )
    beside = matrix - matrix.diagonal().diag()
    variance = float(2 * beside.square().sum())
    error = (variance / 4000) ** 0.5
    assert float(estimates.mean()) == pytest.approx(
        float(matrix.trace()), abs=4 * error
    )
    assert float(estimates.var()) == pytest.approx(variance, rel=0.1)


def test_exact_for_a_diagonal_matrix():
    diagonal = torch.tensor([1.0, -2.0, 7.5], dtype=torch.float64)
    estimates = hutchinson_trace(
        lambda v: diagonal * v, diagonal, 3, torch.Generator().manual_seed(0)
    )
    assert estimates.tolist() == [6.5] * 3
