# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Mixed precision on the CPU (bfloat16, float16), and on a GPU where there is one."""

import copy

import pytest
import torch
from amp_states import assert_state_round_trip
from brute_force import brute_force_gradients, cross_entropy
from mmengine.optim import build_optim_wrapper
from tiny_network import tiny_batch, tiny_model
from updates import COUNTS, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

LABELS = [0, 0, 0, 1, 1, 4]


@pytest.fixture
def amp_wrapper(build_amp_wrapper):
    def build(model, init_scale=2.0**16, **kwargs):
        config = dict(type='AmpCCSAMOptimWrapper', class_counts=COUNTS, **kwargs)
        return build_amp_wrapper(model, config, init_scale)

    return build


def oracle(model, batch, **options):
    double = copy.deepcopy(model).double()
    batch = dict(batch, inputs=batch['inputs'].double())
    return brute_force_gradients(double, batch, cross_entropy, COUNTS, **options)


@pytest.mark.parametrize('perturb', ['head', '', ['backbone.norm', 'head']])
def test_update_is_close_to_double_precision(amp_wrapper, perturb):
    """Closed form and routing; the oracles of the double one are in other tests."""
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch(LABELS, dtype=torch.float32)
    double = copy.deepcopy(model).double()
    options = dict(perturb=perturb, rho_scale=0.03)
    same = dict(batch, inputs=batch['inputs'].double())
    expected = sgd_updates(double, same, plain_wrapper(double, **options))
    wrapper = amp_wrapper(model, **options)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 3e-2


def plain_wrapper(model, **options):
    """MMEngine's autocast knows no float16 on CPUs: torch's own surrounds the step."""
    config = dict(optimizer=dict(type='SGD', lr=1.0), class_counts=COUNTS, **options)
    return build_optim_wrapper(model, dict(type='CCSAMOptimWrapper', **config))


def test_update_in_float16_is_close_to_brute_force():
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch(LABELS, dtype=torch.float32)
    expected = oracle(model, batch, rho_scale=0.3)
    wrapper = plain_wrapper(model, rho_scale=0.3)
    with torch.autocast('cpu', torch.float16):
        actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 4e-3


@pytest.mark.parametrize('perturb', ['head', ''])
@pytest.mark.parametrize('init_scale', [1.0, 2.0**16])
def test_loss_scale_does_not_enter_the_radius(amp_wrapper, init_scale, perturb):
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch(LABELS, dtype=torch.float32)
    reference = copy.deepcopy(model)
    options = dict(perturb=perturb, rho_scale=0.03)
    expected = sgd_updates(reference, batch, amp_wrapper(reference, 256.0, **options))
    actual = sgd_updates(model, batch, amp_wrapper(model, init_scale, **options))
    assert relative_difference(actual, expected) < 1e-2


def test_gradients_below_half_precision_still_make_a_direction():
    """Logit gradients of about 1e-9 are zero in float16, yet they have a direction."""
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch([0] * 6, dtype=torch.float32)
    with torch.no_grad():
        model.head.fc.bias[0] += 22
    losses = []
    for dtype in (torch.float32, torch.float16):
        network = copy.deepcopy(model)
        wrapper = plain_wrapper(network, max_relative_norm=0.9)
        with torch.autocast('cpu', dtype, enabled=dtype == torch.float16):
            losses.append(network.train_step(batch, wrapper))
    full, half = losses
    assert full['clean_objective'] < 6e-8
    assert full['loss'] > 1e-5
    torch.testing.assert_close(half['loss'], full['loss'], rtol=0.05, atol=0)


@pytest.mark.parametrize('init_scale', [2.0**16, 2.0**120])
def test_routed_gradients_in_float16_neither_underflow_nor_spread(init_scale):
    """The scale lifts gradients; if it lifts them too far, nothing is perturbed."""
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch([0, 0, 0, 1, 4, 4], dtype=torch.float32)
    wrapper = plain_wrapper(model, perturb='', rho_scale=0.03)
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=init_scale)
    with torch.autocast('cpu', torch.float16):
        logs = model.train_step(batch, wrapper)
    assert torch.isfinite(logs['loss'])
    is_perturbed = logs['loss'] > 1.001 * logs['clean_objective']
    assert is_perturbed == (init_scale == 2.0**16)


def test_state_round_trip(amp_wrapper):
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch(LABELS, dtype=torch.float32)
    assert_state_round_trip(model, batch, amp_wrapper)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype, tolerance', [('bfloat16', 3e-2), ('float16', 4e-3)])
def test_on_a_gpu(dtype, tolerance):
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch(LABELS, dtype=torch.float32)
    expected = oracle(model, batch, rho_scale=0.3)
    wrapper = build_optim_wrapper(
        model.cuda(),
        dict(
            type='AmpCCSAMOptimWrapper',
            optimizer=dict(type='SGD', lr=1.0),
            class_counts=COUNTS,
            dtype=dtype,
            rho_scale=0.3,
        ),
    )
    updates = sgd_updates(model, batch, wrapper)
    actual = {name: update.cpu() for name, update in updates.items()}
    assert relative_difference(actual, expected) < tolerance
