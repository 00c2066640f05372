# Copyright (c) ccsam_mm contributors. All rights reserved.
"""``perturbed_weight`` of SAMOptimWrapper (GNP) against ``sam_brute_force.py``."""

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
    penalty_gradients,
)
from updates import relative_difference, sgd_updates

import ccsam_mm  # noqa: F401


def build_wrapper(model, **options):
    config = dict(type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=1.0))
    return build_optim_wrapper(model, dict(config, **options))


def detector(seed=0):
    return TinyDetector(seed=seed).double()


@settings(max_examples=60, deadline=None)
@given(
    share=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    rho=st.sampled_from([0.0, 0.05, 2.0]),
    adaptive=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_update_equals_brute_force(share, seed, **options):
    model, batch = detector(seed), detector_batch(4, seed)
    expected = penalty_gradients(
        copy.deepcopy(model), lambda net: detector_loss(net, batch), share, **options
    )
    wrapper = build_wrapper(model, perturbed_weight=share, **options)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_ends_of_the_range_are_sgd_and_sam():
    batch = detector_batch()
    updates = []
    for config in (
        dict(type='OptimWrapper'),
        dict(perturbed_weight=0, rho=2.0),
        dict(rho=2.0),
        dict(perturbed_weight=1, rho=2.0),
    ):
        model = detector()
        updates.append(sgd_updates(model, batch, build_wrapper(model, **config)))
    plain, none, sam, all_of_it = updates
    assert relative_difference(none, plain) < 1e-12
    assert relative_difference(all_of_it, sam) == 0
    assert relative_difference(sam, plain) > 1e-2


def test_losses_are_the_objective_and_its_parts():
    model, batch = detector(), detector_batch()
    wrapper = build_wrapper(model, perturbed_weight=0.8, rho=0.5)
    clean = detector_loss(copy.deepcopy(model), batch).item()
    log = model.train_step(batch, wrapper)
    assert log['clean_objective'].item() == pytest.approx(clean)
    assert log['loss_clean'].item() == pytest.approx(0.2 * clean)
    parts = sum(v for k, v in log.items() if k.startswith('loss_'))
    assert log['loss'].item() == pytest.approx(parts.item())


def test_parameter_that_no_loss_uses_gets_no_gradient():
    model = detector()
    model.unused = torch.nn.Parameter(torch.ones(2))
    wrapper = build_wrapper(model, perturbed_weight=0.5)
    with wrapper.optim_context(model):
        losses = model(**detector_batch(), mode='loss')
    model.parse_losses(losses)[0].backward()
    assert model.unused.grad is None


def test_accumulation():
    model = detector()
    batches = [detector_batch(seed=i) for i in range(2)]
    parts = [
        penalty_gradients(
            copy.deepcopy(model), lambda net, b=b: detector_loss(net, b), 0.8, rho=0.5
        )
        for b in batches
    ]
    expected = {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    wrapper = build_wrapper(model, perturbed_weight=0.8, rho=0.5, accumulative_counts=2)
    for batch in batches:
        model.train_step(batch, wrapper)
    actual = {name: before[name] - p.detach() for name, p in model.named_parameters()}
    assert relative_difference(actual, expected) < 1e-9


def test_update_in_float16_is_close_to_brute_force():
    model, batch = TinyDetector(), detector_batch(16, dtype=torch.float32)
    double = {name: value.double() for name, value in batch.items()}
    expected = penalty_gradients(
        copy.deepcopy(model).double(), lambda n: detector_loss(n, double), 0.8, rho=0.5
    )
    wrapper = build_wrapper(model, perturbed_weight=0.8, rho=0.5)
    with torch.autocast('cpu', torch.float16):
        actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 6e-3


@pytest.mark.parametrize('scale', [1.0, 2.0**20])
def test_in_mixed_precision_no_scale_is_left(build_amp_wrapper, scale):
    model, batch = TinyDetector(), detector_batch(16, dtype=torch.float32)
    double = {name: value.double() for name, value in batch.items()}
    expected = penalty_gradients(
        copy.deepcopy(model).double(), lambda n: detector_loss(n, double), 0.8, rho=0.5
    )
    config = dict(type='AmpSAMOptimWrapper', rho=0.5, perturbed_weight=0.8)
    wrapper = build_amp_wrapper(model, config, scale)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 4e-2


@pytest.mark.parametrize('value', [-0.1, 1.1, '1', True, None])
def test_wrong_weight_is_refused(value):
    with pytest.raises(ValueError, match='perturbed_weight is .* from 0 to 1'):
        build_wrapper(detector(), perturbed_weight=value)


@pytest.mark.parametrize('name', ['ImbSAM', 'FocalSAM'])
def test_methods_that_weigh_classes_have_no_such_option(name):
    options = dict(type=f'{name}OptimWrapper', class_counts=[9, 2])
    build_wrapper(detector(), perturbed_weight=1, **options)
    with pytest.raises(ValueError, match='must be 1, since this method weighs'):
        build_wrapper(detector(), perturbed_weight=0.8, **options)
