# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Hessians, traces and increases against closed forms and PyTorch's own Hessian."""

import numpy as np
import pytest
import torch
from tiny_losses import image_cross_entropy, quadratic_losses, tiny_losses
from torch.autograd.functional import hessian
from torch.func import functional_call

from ccsam_mm.analysis.landscape import (
    SharpnessOptions,
    WeightedLoss,
    largest_eigenvalues,
    loss_curve,
    loss_groups,
    measure_sharpness,
)
from ccsam_mm.analysis.landscape.sharpness_measures import (
    class_sharpness,
    trace_interval,
)

LABELS = [0, 0, 1, 2, 2]
COUNTS = [500, 50, 5]


def random_quadratic(size=40, seed=0):
    """Matrices with random eigenvectors, whose sum has known eigenvalues."""
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    basis = torch.linalg.qr(randn(size, size))[0]
    spectra = randn(len(LABELS), size)
    matrices = basis @ torch.diag_embed(spectra) @ basis.T
    slopes, start = randn(len(LABELS), size), randn(size)
    return quadratic_losses(matrices, slopes, start, LABELS), spectra, matrices, slopes


def whole_hessian(model, loader, losses, weights):
    """PyTorch's Hessian of one function of all perturbed parameters in one vector."""
    data = torch.cat([d['inputs'] for d in loader])
    labels = torch.tensor([int(s.gt_label) for d in loader for s in d['data_samples']])
    sizes = [value.numel() for value in losses.parameters.values()]

    def loss(vector):
        parts = vector.split(sizes)
        values = {
            (f'head.{name}' if name.startswith('fc.') else name): part.view_as(value)
            for (name, value), part in zip(losses.parameters.items(), parts)
        }
        scores = functional_call(model, values, (data,), dict(mode='tensor'))
        return (weights * image_cross_entropy(scores, labels)).sum()

    return hessian(loss, losses.vector())


@pytest.mark.parametrize('perturb', ['head', 'backbone.conv', ''])
def test_curvature_of_a_network(perturb):
    model, loader, losses = tiny_losses(perturb)
    weights = torch.tensor([0.1, 0.0, 0.3, 0.2, 0.4], dtype=torch.float64)
    expected = whole_hessian(model, loader, losses, weights)
    assert expected.abs().max() > 1e-3
    loss = WeightedLoss(losses, weights)
    columns = [
        loss.hessian_product(unit)
        for unit in torch.eye(losses.size, dtype=torch.float64)
    ]
    torch.testing.assert_close(torch.stack(columns), expected, rtol=1e-9, atol=1e-12)
    found = largest_eigenvalues(loss.hessian_product, loss.start, 3, tolerance=0)
    spectrum = np.linalg.eigvalsh(expected.numpy())
    assert found == pytest.approx(spectrum[::-1][:3].tolist(), rel=1e-8)


@pytest.mark.parametrize('size', [12, 40])  # formed, and by Lanczos' method
def test_known_spectrum(size):
    losses, spectra, _, _ = random_quadratic(size)
    weights = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2], dtype=torch.float64)
    loss = WeightedLoss(losses, weights)
    found = largest_eigenvalues(loss.hessian_product, loss.start, 4, tolerance=0)
    expected = (weights @ spectra).sort(descending=True).values[:4]
    assert found == pytest.approx(expected.tolist(), rel=1e-10)


def test_gradient_and_value():
    losses, _, matrices, slopes = random_quadratic(6)
    weights = torch.rand(len(LABELS), dtype=torch.float64)
    loss = WeightedLoss(losses, weights)
    step = torch.randn(6, dtype=torch.float64)
    w = losses.vector() + step
    value, grad = loss.value_and_grad(step)
    total, slope = (weights[:, None, None] * matrices).sum(0), weights @ slopes
    torch.testing.assert_close(grad, total @ w + slope)
    torch.testing.assert_close(value, w @ total @ w / 2 + slope @ w)
    torch.testing.assert_close(loss.value(step), value)


def test_all_measures_of_a_quadratic():
    losses, spectra, matrices, slopes = random_quadratic()
    groups = loss_groups(losses.labels, COUNTS, [2, 1, 2])
    options = SharpnessOptions(eigenvalues=2, probes=400, rho=0.3, rho_scale=0.1)
    measures = measure_sharpness(losses, groups, COUNTS, options)
    assert list(measures) == ['all', 'class_mean', 'many', 'medium', 'few']
    w = losses.vector()
    for name, weights in groups.items():
        own, spectrum = measures[name], weights @ spectra
        total, slope = (weights[:, None, None] * matrices).sum(0), weights @ slopes
        top = spectrum.sort(descending=True).values[:2].tolist()
        assert own['eigenvalues'] == pytest.approx(top, rel=1e-3)
        half = own['trace_high'] - own['trace']
        assert half > 0
        assert abs(own['trace'] - float(spectrum.sum())) < 2 * half
        grad = total @ w + slope
        step = 0.3 * grad / grad.norm()
        increase = grad @ step + step @ total @ step / 2
        assert own['sam'] == pytest.approx(float(increase), rel=1e-9)
    few = class_brute_force(losses, matrices, slopes, 2, options)
    assert measures['few']['ccsam'] == pytest.approx(few[0], rel=1e-9)
    assert measures['few']['ccsam_norm'] == pytest.approx(few[1], rel=1e-9)
    every = [class_brute_force(losses, matrices, slopes, c, options) for c in range(3)]
    mean = sum(share * own[0] for share, own in zip((2 / 5, 1 / 5, 2 / 5), every))
    assert measures['all']['ccsam'] == pytest.approx(mean, rel=1e-9)


def class_brute_force(losses, matrices, slopes, label, options):
    """Eq. 8 and 9 written out, for the increase along one class's gradient."""
    mine = [i for i, own in enumerate(LABELS) if own == label]
    w = losses.vector()
    total = sum(matrices[i] for i in mine) / len(mine)
    grad = total @ w + sum(slopes[i] for i in mine) / len(mine)
    k, n = len(w), COUNTS[label]
    steepness = max(float(grad.norm()), options.min_grad_norm)
    rho = (float(w.norm()) / (2 * steepness)) ** 0.5 / (k * max(n - 1, 1)) ** 0.25
    length = options.rho_scale * k**0.5 * rho
    if options.max_relative_norm is not None:
        length = min(length, options.max_relative_norm * float(w.norm()))
    step = length * grad / grad.norm()
    return float(grad @ step + step @ total @ step / 2), length / float(w.norm())


@pytest.mark.parametrize(
    'options',
    [
        SharpnessOptions(rho_scale=1.0, min_grad_norm=0.0),
        SharpnessOptions(rho_scale=1.0, min_grad_norm=100.0),
        SharpnessOptions(rho_scale=1.0, max_relative_norm=0.05),
        SharpnessOptions(rho_scale=0.0),
    ],
)
def test_radius_of_each_class(options):
    losses, _, matrices, slopes = random_quadratic()
    found = class_sharpness(losses, COUNTS, options)
    for label in range(3):
        expected = class_brute_force(losses, matrices, slopes, label, options)
        own = [float(values[label]) for values in found]
        assert own == pytest.approx(list(expected), rel=1e-9, abs=1e-12)


def test_single_images_and_classes_without_an_image():
    """n_c = 1 counts as 2, and a class without an image has no sharpness."""
    losses, _, _, _ = random_quadratic()
    options = SharpnessOptions()
    one = class_sharpness(losses, [500, 1, 5, 7], options)
    two = class_sharpness(losses, [500, 2, 5, 7], options)
    assert torch.equal(one[0], two[0])
    assert one[0][3] == one[1][3] == 0


def test_random_noise_meets_the_trace():
    """Near the weights the mean increase is r^2 |w|^2 tr(H) / (2 k)."""
    losses, spectra, _, _ = random_quadratic(8)
    groups = loss_groups(losses.labels, COUNTS, [2, 1, 2])
    curve = loss_curve(losses, groups, [0, 0.1], seeds=600)
    for name, weights in groups.items():
        start, noisy = (np.asarray(point) for point in curve[name])
        expected = 0.01 * float(
            losses.vector().square().sum() * (weights @ spectra).sum()
        )
        increase = noisy - start
        error = increase.std(ddof=1) / len(increase) ** 0.5
        assert abs(increase.mean() - expected / 16) < 4 * error


def test_interval_of_the_trace():
    found = trace_interval(np.array([1.0, 2.0, 3.0]))
    assert found['trace'] == 2
    # Student's 0.975 quantile of two degrees of freedom is 4.3027.
    assert found['trace_high'] == pytest.approx(2 + 4.302653 / 3**0.5, rel=1e-6)
    assert found['trace_low'] == pytest.approx(2 - 4.302653 / 3**0.5, rel=1e-6)


def test_too_many_eigenvalues():
    with pytest.raises(ValueError, match='--eigenvalues 3: 3 parameters'):
        largest_eigenvalues(lambda v: v, torch.ones(3), 3)


def test_loss_without_curvature():
    zero = torch.zeros(2, 4, 4, dtype=torch.float64)
    losses = quadratic_losses(zero, torch.ones(2, 4).double(), torch.ones(4).double(),
                              [0, 1])  # fmt: skip
    loss = WeightedLoss(losses, torch.ones(2, dtype=torch.float64))
    assert not loss.hessian_product(loss.start + 1).any()
