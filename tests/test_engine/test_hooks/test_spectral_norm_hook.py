# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checkpoints of spectrally normalised networks are those of plain ones."""

import copy

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from flattening_run import make_runner
from mmengine.optim import build_optim_wrapper
from routed_brute_force import build_model, with_buffers_of_now
from sam_brute_force import TinyDetector, detector_batch, detector_loss, gradients
from tiny_network import tiny_batch
from torch.nn.utils.parametrizations import spectral_norm
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

from ccsam_mm.engine.hooks import SpectralNormHook

HOOK = dict(type='SpectralNormHook')
CHECK = dict(type='CheckLoadedHook')
STILL = dict(optimizer=dict(lr=0.0, momentum=0.0))
LAYERS = ('fc', 'head')

pytestmark = pytest.mark.usefixtures('quick_runners')


def load(work_dir, epoch=4):
    return torch.load(f'{work_dir}/epoch_{epoch}.pth', weights_only=False)


def largest_singular_value(weight):
    return torch.linalg.matrix_norm(weight.flatten(1), ord=2).item()


def test_checkpoint_is_that_of_a_plain_model(tmp_path):
    runner = make_runner(tmp_path, HOOK)
    runner.train()
    state = load(tmp_path)['state_dict']
    plain = make_runner(tmp_path / 'plain').model
    assert set(state) == set(plain.state_dict())
    for name in LAYERS:
        assert largest_singular_value(state[f'{name}.weight']) == pytest.approx(
            1, rel=1e-2
        )
    # What the layers use, and what has been validated.
    plain.load_state_dict(state)
    points = [torch.randn(2) for _ in range(5)]
    expected = runner.model.eval()(points)
    torch.testing.assert_close(plain.eval()(points), expected)


def test_weights_start_as_without_the_hook(tmp_path):
    """Initialisers reach the weights, not copies of them."""
    plain = make_runner(tmp_path / 'plain', optim_wrapper=STILL)
    plain.train()
    runner = make_runner(tmp_path / 'spectral', HOOK, optim_wrapper=STILL)
    runner.train()
    for name in LAYERS:
        weight = plain.model.get_submodule(name).weight
        layer = runner.model.get_submodule(name)
        assert torch.equal(layer.parametrizations.weight.original, weight)
        expected = weight / largest_singular_value(weight)
        torch.testing.assert_close(layer.eval().weight, expected)


def test_weights_are_trained(tmp_path):
    runner = make_runner(tmp_path, HOOK)
    runner.train()
    kept = [load(tmp_path, epoch)['spectral_norm'] for epoch in (3, 4)]
    for name in LAYERS:
        assert not torch.equal(kept[0][name]['original'], kept[1][name]['original'])


@pytest.mark.parametrize('others', [(), (dict(type='SWAHook', begin_epoch=2),)])
@pytest.mark.parametrize('kill_at', [1, 3])
def test_resumed_training_equals_an_undisturbed_one(tmp_path, kill_at, others):
    hooks = [HOOK, CHECK, *others]
    make_runner(tmp_path / 'whole', *hooks).train()
    with pytest.raises(KeyboardInterrupt):
        make_runner(tmp_path / 'cut', *hooks, kill_at=kill_at).train()
    make_runner(tmp_path / 'cut', *hooks, resume=True).train()
    whole, cut = load(tmp_path / 'whole'), load(tmp_path / 'cut')
    for name, value in whole['state_dict'].items():
        assert torch.equal(cut['state_dict'][name], value), name
    for name, tensors in whole['spectral_norm'].items():
        for part, value in tensors.items():
            assert torch.equal(cut['spectral_norm'][name][part], value), (name, part)


def test_with_an_average_the_average_is_folded(tmp_path):
    runner = make_runner(tmp_path, HOOK, dict(type='SWAHook', begin_epoch=2))
    runner.train()
    state = load(tmp_path)['state_dict']
    predicted = runner.model.predicted[-1]
    for name in LAYERS:
        parts = {
            key: predicted[f'{name}.parametrizations.weight.{key}']
            for key in ('original', '0._u', '0._v')
        }
        sigma = parts['0._u'] @ parts['original'] @ parts['0._v']
        expected = parts['original'] / sigma
        torch.testing.assert_close(state[f'{name}.weight'], expected)


@pytest.mark.parametrize('hooks', [[], [HOOK]])
def test_checkpoint_is_tested_like_any_other(tmp_path, hooks):
    """With the config of the training, and with that of a plain network."""
    make_runner(tmp_path, HOOK).train()
    path = f'{tmp_path}/epoch_4.pth'
    runner = make_runner(tmp_path / 'test', CHECK, *hooks, load_from=path)
    runner.test()
    for name, value in load(tmp_path)['state_dict'].items():
        assert torch.equal(runner.model.predicted[-1][name], value)


@pytest.mark.parametrize('first', [[], [HOOK]])
def test_training_starts_from_any_checkpoint(tmp_path, first):
    make_runner(tmp_path / 'first', *first).train()
    path = f'{tmp_path}/first/epoch_4.pth'
    runner = make_runner(
        tmp_path / 'second', HOOK, CHECK, load_from=path, optim_wrapper=STILL
    )
    runner.train()
    start = load(tmp_path / 'first')['state_dict']
    for name in LAYERS:
        weight = start[f'{name}.weight']
        kept = load(tmp_path / 'second')['spectral_norm'][name]
        assert torch.equal(kept['original'], weight)
        expected = weight / largest_singular_value(weight)
        folded = load(tmp_path / 'second')['state_dict'][f'{name}.weight']
        torch.testing.assert_close(folded, expected, rtol=1e-3, atol=1e-4)


def test_frozen_layers_stay_as_they_are(tmp_path):
    make_runner(tmp_path / 'first').train()
    path = f'{tmp_path}/first/epoch_4.pth'
    runner = make_runner(tmp_path / 'second', HOOK, CHECK, load_from=path)
    runner.model.fc.requires_grad_(False)
    runner.train()
    start = load(tmp_path / 'first')['state_dict']
    state = load(tmp_path / 'second')['state_dict']
    assert torch.equal(state['fc.weight'], start['fc.weight'])
    assert list(load(tmp_path / 'second')['spectral_norm']) == ['head']


def test_resuming_a_plain_training_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_runner(tmp_path, kill_at=2).train()
    runner = make_runner(tmp_path, HOOK, resume=True)
    with pytest.raises(ValueError, match='without SpectralNormHook or with other'):
        runner.train()


@pytest.mark.parametrize('modules', ['norm', 'he', ['fc', 'neck']])
def test_names_without_a_layer_are_refused(tmp_path, modules):
    runner = make_runner(tmp_path, dict(HOOK, modules=modules))
    with pytest.raises(ValueError, match='names no convolution or linear layer of'):
        runner.train()


@pytest.mark.parametrize('modules', [None, 3, [], [3]])
def test_wrong_modules_are_refused(modules):
    with pytest.raises(ValueError, match='SpectralNormHook.modules is'):
        SpectralNormHook(modules)


@pytest.mark.parametrize('perturbed_weight', [0.5, 1.0])
def test_sam_of_a_normalised_network(perturbed_weight):
    """Both passes start from the singular vectors of the step, which move once."""
    model, batch = TinyDetector().double(), detector_batch()
    spectral_norm(model.conv)
    spectral_norm(model.score)
    clean, sharp = copy.deepcopy(model), copy.deepcopy(model)
    grads = gradients(clean, detector_loss(clean, batch))
    norm = sum(float((g**2).sum()) for g in grads.values()) ** 0.5
    with torch.no_grad():
        for name, parameter in sharp.named_parameters():
            parameter += 0.5 / norm * grads[name]
    after = gradients(sharp, detector_loss(sharp, batch))
    expected = {
        name: (1 - perturbed_weight) * grads[name] + perturbed_weight * after[name]
        for name in grads
    }
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=1.0), rho=0.5,
            perturbed_weight=perturbed_weight,
        ),
    )  # fmt: skip
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 1e-9
    # They have moved as in one clean pass.
    for buffer, other in zip(model.conv.buffers(), clean.conv.buffers()):
        torch.testing.assert_close(buffer, other)


def test_ccsam_perturbs_a_normalised_classifier():
    """A copy of the network per class; power iteration starts where it did before."""
    model, batch = build_model(dict(type='TinyBackbone')), tiny_batch([0, 0, 1, 4])
    spectral_norm(model.head.fc)
    oracle = with_buffers_of_now(model)
    expected = brute_force_gradients(oracle, batch, cross_entropy, COUNTS)
    actual = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(actual, expected) < 1e-9


def test_ccsam_perturbs_the_classifier_of_a_normalised_trunk():
    model = build_model(dict(type='TinyBackbone'))
    batch = tiny_batch([0, 0, 1, 4])
    spectral_norm(model.backbone.conv)
    plain = copy.deepcopy(model)
    sgd = build_optim_wrapper(plain, dict(optimizer=dict(type='SGD', lr=1.0)))
    expected = sgd_updates(plain, batch, sgd)
    zero = copy.deepcopy(model)
    actual = sgd_updates(zero, batch, build_wrapper(zero, rho_scale=0))
    assert relative_difference(actual, expected) < 1e-12
    full = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(full, expected) > 1e-3
