# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The SAM family in mixed precision, on the CPU, and on a GPU where there is one."""

import copy

import pytest
import torch
from amp_states import assert_state_round_trip
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPERS
from packaging.version import Version
from sam_brute_force import (
    TinyDetector,
    detector_batch,
    detector_loss,
    gradients,
    sam_gradients,
)
from tiny_network import tiny_batch, tiny_model
from torch.nn.functional import mse_loss
from updates import relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.optim_wrappers import SAMOptimWrapper

COUNTS = [500, 60, 20, 19, 1]


@pytest.fixture
def amp_wrapper(build_amp_wrapper):
    def build(model, init_scale=2.0**16, name='SAM', **kwargs):
        config = dict(type=f'Amp{name}OptimWrapper', rho=0.5, **kwargs)
        return build_amp_wrapper(model, config, init_scale)

    return build


def oracle(model, batch):
    double = copy.deepcopy(model).double()
    batch = {key: value.double() for key, value in batch.items()}
    return sam_gradients(double, lambda net: detector_loss(net, batch), rho=0.5)


def test_update_is_close_to_brute_force(amp_wrapper):
    model, batch = TinyDetector(), detector_batch(16, dtype=torch.float32)
    expected = oracle(model, batch)
    plain = copy.deepcopy(model)
    clean = gradients(plain, detector_loss(plain, batch))
    actual = sgd_updates(model, batch, amp_wrapper(model))
    error = relative_difference(actual, expected)
    assert error < 4e-2
    # The perturbation is there: without it, the difference is larger by far.
    assert relative_difference(clean, expected) > 5 * error


def test_update_in_float16_is_close_to_brute_force():
    """MMEngine's autocast knows no float16 on CPUs: torch's own surrounds the step."""
    model, batch = TinyDetector(), detector_batch(16, dtype=torch.float32)
    expected = oracle(model, batch)
    config = dict(type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=1.0), rho=0.5)
    wrapper = build_optim_wrapper(model, config)
    with torch.autocast('cpu', torch.float16):
        actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 6e-3


class Half(BaseModel):
    """A layer whose gradients go through float16, in which 1e-8 is zero."""

    def __init__(self, factor):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[1.0, 2.0]]))
        self.factor = factor

    def forward(self, inputs, mode):
        scores = inputs.half() @ self.weight.half().T
        return dict(loss=mse_loss(self.factor * scores.float(), inputs[:, :1] * 0))


def test_loss_scale_saves_small_ascent_gradients(amp_wrapper):
    """A direction of gradients that vanish in float16 without the loss scale."""
    batch = dict(inputs=torch.tensor([[1.0, 0.5]]))
    shifts = {}
    for scale in (1.0, 2.0**16):
        model = Half(factor=3e-5)
        wrapper = amp_wrapper(model, init_scale=scale, dtype='bfloat16')
        logs = model.train_step(batch, wrapper)
        shifts[scale] = logs['loss'] / logs['clean_objective'] - 1
    assert shifts[1.0] == 0
    # The scores grow from 2 by 0.5 * |inputs|.
    expected = ((2 + 0.5 * 1.25**0.5) / 2) ** 2 - 1
    assert abs(shifts[2.0**16] - expected) < 1e-2


@pytest.mark.parametrize('init_scale', [2.0**4, 2.0**10])
def test_loss_scale_does_not_enter_the_perturbation(amp_wrapper, init_scale):
    batch = dict(inputs=torch.tensor([[1.0, 0.5]]))
    updates = []
    for scale in (1.0, init_scale):
        model = Half(factor=0.1)
        wrapper = amp_wrapper(model, init_scale=scale, dtype='bfloat16')
        updates.append(sgd_updates(model, batch, wrapper))
    assert relative_difference(*updates) < 1e-2


def test_bfloat16_may_grow_the_loss_scale_for_ever(amp_wrapper):
    """Nothing overflows at 2^100, but the square of a scaled gradient would."""
    batch = detector_batch(dtype=torch.float32)
    updates = []
    for scale in (1.0, 2.0**100):
        model = TinyDetector()
        wrapper = amp_wrapper(model, init_scale=scale, dtype='bfloat16')
        updates.append(sgd_updates(model, batch, wrapper))
    assert relative_difference(*updates) < 1e-5


@pytest.mark.skipif(
    Version(torch.__version__) < Version('2.4'),
    reason='torch.is_autocast_enabled takes no device in 2.3',
)
def test_no_backward_function_runs_under_autocast(amp_wrapper):
    seen = []

    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inputs):
            return inputs.clone()

        @staticmethod
        def backward(ctx, grad):
            seen.append(torch.is_autocast_enabled('cpu'))
            return grad

    model, batch = TinyDetector(), detector_batch(dtype=torch.float32)
    model.norm.register_forward_hook(lambda module, args, output: Spy.apply(output))
    model.train_step(batch, amp_wrapper(model, dtype='bfloat16'))
    assert seen == [False, False]


def test_overflow_skips_the_step_and_shrinks_the_scale(amp_wrapper):
    model, batch = Half(factor=30.0), dict(inputs=torch.tensor([[1.0, 0.5]]))
    wrapper = amp_wrapper(model, dtype='bfloat16')
    logs = model.train_step(batch, wrapper)
    assert model.weight.tolist() == [[1.0, 2.0]]
    assert wrapper.loss_scaler.get_scale() == 2.0**15
    assert logs['loss'] == logs['clean_objective']


@pytest.mark.parametrize('name', ['ImbSAM', 'FocalSAM'])
def test_class_weights_are_close_to_full_precision(amp_wrapper, name):
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch([0, 0, 1, 3, 4], dtype=torch.float32)
    exact = copy.deepcopy(model)
    config = dict(optimizer=dict(type='SGD', lr=1.0), rho=0.5, class_counts=COUNTS)
    wrapper = build_optim_wrapper(exact, dict(config, type=f'{name}OptimWrapper'))
    expected = sgd_updates(exact, batch, wrapper)
    actual = sgd_updates(
        model, batch, amp_wrapper(model, name=name, class_counts=COUNTS)
    )
    assert 0 < relative_difference(actual, expected) < 4e-2


def test_state_round_trip(amp_wrapper):
    model, batch = TinyDetector(), detector_batch(dtype=torch.float32)
    assert_state_round_trip(model, batch, amp_wrapper)


@pytest.mark.parametrize('name', ['SAM', 'ImbSAM', 'FocalSAM'])
def test_every_wrapper_has_its_twin(name):
    """``tools/train.py --amp`` finds it by its name."""
    plain = OPTIM_WRAPPERS.get(f'{name}OptimWrapper')
    twin = OPTIM_WRAPPERS.get(f'Amp{name}OptimWrapper')
    assert twin.__mro__[1] is plain.__mro__[1]
    assert plain.__mro__[-1] is SAMOptimWrapper.__mro__[-1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype, tolerance', [('bfloat16', 4e-2), ('float16', 6e-3)])
def test_on_a_gpu(dtype, tolerance):
    model, batch = TinyDetector(), detector_batch(16, dtype=torch.float32)
    expected = oracle(model, batch)
    config = dict(type='AmpSAMOptimWrapper', dtype=dtype, rho=0.5)
    config['optimizer'] = dict(type='SGD', lr=1.0)
    wrapper = build_optim_wrapper(model.cuda(), config)
    batch = {key: value.cuda() for key, value in batch.items()}
    updates = sgd_updates(model, batch, wrapper)
    actual = {name: update.cpu() for name, update in updates.items()}
    assert relative_difference(actual, expected) < tolerance


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_looks_share_the_random_numbers_of_a_gpu():
    model, batch = TinyDetector(noise=True).cuda(), detector_batch(16)
    batch = {key: value.float().cuda() for key, value in batch.items()}
    config = dict(type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=1.0), rho=0.0)
    logs = model.train_step(batch, build_optim_wrapper(model, config))
    torch.testing.assert_close(logs['loss'], logs['clean_objective'])
