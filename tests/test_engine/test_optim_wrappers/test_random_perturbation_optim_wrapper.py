# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Random perturbation against ``sam_brute_force.py``: copies, noise drawn anew."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.optim import build_optim_wrapper
from sam_brute_force import (
    TinyDetector,
    detector_batch,
    detector_loss,
    gradients,
    noise_gradients,
)
from updates import relative_difference, sgd_updates

import ccsam_mm  # noqa: F401


def build_wrapper(model, name='RandomPerturbation', **options):
    config = dict(type=f'{name}OptimWrapper', optimizer=dict(type='SGD', lr=1.0))
    return build_optim_wrapper(model, dict(config, **options))


def drawn(model, bound, num_draws):
    """The noise that a step draws, spelled out: by parameter, then by draw."""
    return [
        {
            name: 2 * bound * (torch.rand_like(p) - 0.5)
            for name, p in model.named_parameters()
        }
        for _ in range(num_draws)
    ]


@settings(max_examples=40, deadline=None)
@given(
    bound=st.sampled_from([0.0, 0.005, 0.5]),
    num_draws=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_update_equals_brute_force(bound, num_draws, seed):
    model, batch = TinyDetector(seed=seed).double(), detector_batch(4, seed)
    torch.manual_seed(seed)
    noises = drawn(model, bound, num_draws)
    expected = noise_gradients(model, lambda net: detector_loss(net, batch), noises)
    wrapper = build_wrapper(model, bound=bound, num_draws=num_draws)
    torch.manual_seed(seed)
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 1e-9


def test_noise_is_uniform_and_symmetric():
    model = TinyDetector()
    wrapper = build_wrapper(model, bound=0.2)
    torch.manual_seed(0)
    noise = wrapper._noise(torch.zeros(10**6, dtype=torch.float64))
    assert noise.abs().max() <= 0.2
    assert abs(noise.mean()) < 1e-3
    assert noise.var().item() == pytest.approx(0.2**2 / 3, rel=1e-2)


def test_no_noise_is_sgd_and_noise_is_not():
    batch = detector_batch()
    plain = TinyDetector().double()
    expected = gradients(plain, detector_loss(plain, batch))
    model = TinyDetector().double()
    zero = sgd_updates(model, batch, build_wrapper(model, bound=0))
    assert relative_difference(zero, expected) < 1e-12
    model = TinyDetector().double()
    moved = sgd_updates(model, batch, build_wrapper(model, bound=0.5))
    assert relative_difference(moved, expected) > 1e-3


def test_all_passes_have_the_same_dropout():
    """Without noise in the weights, the mean of three draws is the clean loss."""
    model, batch = TinyDetector(noise=True).double(), detector_batch()
    log = model.train_step(batch, build_wrapper(model, bound=0, num_draws=3))
    assert log['loss'].item() == pytest.approx(log['clean_objective'].item())


def test_buffers_move_once():
    model, batch = TinyDetector().double(), detector_batch()
    plain = copy.deepcopy(model)
    plain(**batch, mode='loss')
    model.train_step(batch, build_wrapper(model, bound=0.5, num_draws=3))
    for actual, expected in zip(model.buffers(), plain.buffers()):
        torch.testing.assert_close(actual, expected)


def test_frozen_parameters_are_not_perturbed():
    model, batch = TinyDetector().double(), detector_batch()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith('score'))
    torch.manual_seed(0)
    noises = drawn(model.score, 0.5, 2)
    zero = {name: 0.0 for name, _ in model.named_parameters()}
    noises = [
        dict(zero, **{f'score.{name}': value for name, value in noise.items()})
        for noise in noises
    ]
    copied = copy.deepcopy(model).requires_grad_()
    expected = noise_gradients(copied, lambda n: detector_loss(n, batch), noises)
    torch.manual_seed(0)
    actual = sgd_updates(model, batch, build_wrapper(model, bound=0.5))
    for name, update in actual.items():
        wanted = expected[name] * name.startswith('score')
        torch.testing.assert_close(update, wanted, rtol=1e-9, atol=1e-12)


def test_in_mixed_precision(build_amp_wrapper):
    model, batch = TinyDetector(), detector_batch(16, dtype=torch.float32)
    double = copy.deepcopy(model).double()
    copied = {name: value.double() for name, value in batch.items()}
    torch.manual_seed(1)
    noises = drawn(model, 0.3, 2)
    noises = [{k: v.double() for k, v in noise.items()} for noise in noises]
    expected = noise_gradients(double, lambda n: detector_loss(n, copied), noises)
    config = dict(type='AmpRandomPerturbationOptimWrapper', bound=0.3)
    wrapper = build_amp_wrapper(model, config, 2.0**16)
    torch.manual_seed(1)
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 5e-2


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        (dict(bound=-1), 'bound is -1, but must be a number >= 0'),
        (dict(bound='1'), "bound is '1'"),
        (dict(num_draws=0), 'num_draws is 0, but must be a whole number'),
        (dict(num_draws=1.5), 'num_draws is 1.5'),
    ],
)
def test_wrong_options_are_refused(option, words):
    with pytest.raises(ValueError, match=words):
        build_wrapper(TinyDetector(), **option)
