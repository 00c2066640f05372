# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Averages against means of recorded weights; statistics against a spelled-out pass."""

import copy

import numpy as np
import pytest
import torch
from flattening_run import NormModel, make_runner, recorder

from ccsam_mm.engine.hooks import SWAHook

SWA = dict(type='SWAHook', begin_epoch=3)
STATISTICS = ('norm.running_mean', 'norm.running_var', 'norm.num_batches_tracked')

pytestmark = pytest.mark.usefixtures('quick_runners')


def load(work_dir, epoch):
    return torch.load(f'{work_dir}/epoch_{epoch}.pth', weights_only=False)


def mean_weights(weights):
    return {
        name: sum(state[name].double() for state in weights) / len(weights)
        for name in weights[0]
        if name not in STATISTICS
    }


def spelled_out_statistics(runner, state, epoch):
    """Means over batches of the means and variances in front of the batch norm."""
    np.random.set_state(recorder(runner).numpy[epoch])
    loader = runner.train_dataloader
    loader.sampler.set_epoch(epoch)
    means, variances = [], []
    for batch in loader:
        inputs = torch.stack(batch['inputs']).double()
        features = inputs @ state['fc.weight'].double().T + state['fc.bias'].double()
        means.append(features.mean(dim=0))
        variances.append(features.var(dim=0, unbiased=True))
    return sum(means) / len(means), sum(variances) / len(variances)


def assert_close(actual, expected):
    for name, value in expected.items():
        torch.testing.assert_close(actual[name].double(), value, rtol=1e-5, atol=1e-6)


def test_average_with_statistics_of_its_own(tmp_path):
    runner = make_runner(tmp_path, SWA)
    runner.train()
    weights = recorder(runner).weights
    for epoch in (1, 2):  # no average yet: what was trained
        checkpoint = load(tmp_path, epoch)
        assert 'ema_state_dict' not in checkpoint
        for name, value in weights[epoch - 1].items():
            assert torch.equal(checkpoint['state_dict'][name], value)
    for epoch in (3, 4):
        state = load(tmp_path, epoch)['state_dict']
        assert_close(state, mean_weights(weights[2:epoch]))
        mean, variance = spelled_out_statistics(runner, state, epoch - 1)
        expected = {'norm.running_mean': mean, 'norm.running_var': variance}
        assert_close(state, expected)
        # Those of the weights in training are others, or this test shows nothing.
        other = weights[epoch - 1]['norm.running_var'].double()
        assert not torch.allclose(other, variance, rtol=1e-2)


def test_training_is_as_without_the_hook(tmp_path):
    plain = make_runner(tmp_path / 'plain')
    plain.train()
    averaged = make_runner(tmp_path / 'averaged', SWA)
    averaged.train()
    for pair in zip(recorder(plain).weights, recorder(averaged).weights):
        for name, value in pair[0].items():
            assert torch.equal(pair[1][name], value), name
    for name, value in plain.model.state_dict().items():
        assert torch.equal(averaged.model.state_dict()[name], value), name


def test_validation_and_test_see_the_average(tmp_path):
    runner = make_runner(tmp_path, SWA)
    runner.train()
    predicted = runner.model.predicted
    assert len(predicted) == 4 * 3  # three batches in each of four epochs
    for epoch in (1, 2, 3, 4):
        state = load(tmp_path, epoch)['state_dict']
        for name, value in predicted[3 * epoch - 1].items():
            assert torch.equal(value, state[name]), (epoch, name)
    tested = make_runner(tmp_path / 'test', SWA, load_from=f'{tmp_path}/epoch_4.pth')
    tested.test()
    for name, value in tested.model.predicted[-1].items():
        assert torch.equal(value, load(tmp_path, 4)['state_dict'][name]), name


@pytest.mark.parametrize('kill_at', [1, 2, 3])
def test_resumed_training_equals_an_undisturbed_one(tmp_path, kill_at):
    make_runner(tmp_path / 'whole', SWA).train()
    with pytest.raises(KeyboardInterrupt):
        make_runner(tmp_path / 'cut', SWA, kill_at=kill_at).train()
    make_runner(tmp_path / 'cut', SWA, resume=True).train()
    whole, cut = load(tmp_path / 'whole', 4), load(tmp_path / 'cut', 4)
    for part in ('state_dict', 'ema_state_dict'):
        for name, value in whole[part].items():
            assert torch.equal(cut[part][name], value), (part, name)


def test_training_from_an_average_starts_from_it(tmp_path):
    make_runner(tmp_path / 'first', SWA).train()
    path = tmp_path / 'first/epoch_4.pth'
    runner = make_runner(
        tmp_path / 'second', SWA, load_from=str(path), train_cfg=dict(max_epochs=3),
        optim_wrapper=dict(optimizer=dict(lr=0.0)),
    )  # fmt: skip
    runner.train()
    state = load(tmp_path / 'first', 4)['state_dict']
    average = load(tmp_path / 'second', 3)['state_dict']
    for name in ('fc.weight', 'norm.bias', 'head.weight'):
        assert torch.equal(average[name], state[name])
    assert load(tmp_path / 'second', 3)['ema_state_dict']['steps'] == 1


def test_frozen_statistics_do_not_move(tmp_path):
    runner = make_runner(tmp_path, SWA, model=dict(frozen=True))
    start = copy.deepcopy(runner.model.state_dict())
    runner.train()
    state = load(tmp_path, 4)['state_dict']
    for name in STATISTICS:
        assert torch.equal(state[name], start[name])
    assert_close(state, mean_weights(recorder(runner).weights[2:]))


def test_trial_run_is_a_warning(tmp_path, monkeypatch):
    runner = make_runner(tmp_path, dict(SWA, begin_epoch=161))
    said = []
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    runner.train()
    assert any('SWAHook begins with epoch 161' in text for text in said)
    assert 'ema_state_dict' not in load(tmp_path, 4)


@pytest.mark.parametrize('begin_epoch', [0, -1, 2.5, '3', True, None])
def test_wrong_begin_is_refused(begin_epoch):
    with pytest.raises(ValueError, match='SWAHook.begin_epoch is .* an epoch >= 1'):
        SWAHook(begin_epoch)


def test_iterations_are_refused(tmp_path):
    runner = make_runner(
        tmp_path, SWA, train_cfg=dict(_delete_=True, by_epoch=False, max_iters=2)
    )
    with pytest.raises(ValueError, match='set train_cfg.by_epoch=True'):
        runner.train()


def test_average_is_of_the_model_inside(tmp_path):
    """The copy has batch norm in training mode, and is of the same class."""
    runner = make_runner(tmp_path, SWA)
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, SWAHook))
    assert type(hook.ema_model.module) is NormModel
