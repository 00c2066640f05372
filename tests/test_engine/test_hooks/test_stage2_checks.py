# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What stage 2 inherits: averages that cannot follow, samplers that do not balance."""

import logging
from itertools import count
from types import SimpleNamespace

import pytest
from tiny_network import tiny_model

from ccsam_mm.engine.hooks import load_stage1_hook
from ccsam_mm.engine.hooks.stage2_checks import (
    _balances,
    _share_of_start,
    check_classifier_kind,
)

ITERS = 6  # two epochs of three


@pytest.fixture
def stage2(make_runner, tmp_path, monkeypatch):
    """Trains stage 2 after a stage 1; returns the runner and its log."""
    monkeypatch.chdir(tmp_path)
    make_runner('out/a_stage1').train()
    # Two logs of one second would be one file.
    folders = (f'out/{number}/a_stage2' for number in count())

    def train(*hooks, **changes):
        changes.setdefault('optim_wrapper', dict(optimizer=dict(lr=0.1)))
        hooks = [dict(type='LoadStage1Hook', stage1='out/a_stage1'), *hooks]
        runner = make_runner(
            next(folders),
            filename='configs/a_stage2.py',
            custom_hooks=hooks,
            **changes,
        )
        runner.train()
        with open(f'{runner.log_dir}/{runner.timestamp}.log') as file:
            return runner, file.read()

    return train


@pytest.mark.parametrize('first', ['LinearClsHead', 'CosineLinearClsHead'])
@pytest.mark.parametrize('second', ['LinearClsHead', 'CosineLinearClsHead'])
def test_classifier_of_another_kind_is_a_warning(first, second, caplog):
    weights = tiny_model(head=dict(type=first)).state_dict()
    model = tiny_model(head=dict(type=second))
    runner = SimpleNamespace(model=model, logger=logging.getLogger('test'))
    check_classifier_kind(runner, weights)
    assert len(caplog.messages) == (first != second)
    if caplog.messages:
        assert f'{second} goes on' in caplog.messages[0]
    model.head.reset_classifier = True
    check_classifier_kind(runner, weights)
    assert len(caplog.messages) == (first != second)


def test_stage2_looks_at_the_classifier_of_stage1(stage2, monkeypatch):
    looked = []
    monkeypatch.setattr(
        load_stage1_hook,
        'check_classifier_kind',
        lambda runner, weights: looked.append(set(weights)),
    )
    model = stage2()[0].model
    assert looked == [set(model.state_dict())]


def test_average_that_can_not_follow_is_refused(stage2):
    with pytest.raises(ValueError) as error:
        stage2(dict(type='EMAHook', momentum=1e-4, priority='ABOVE_NORMAL'))
    text = str(error.value)
    assert 'momentum=0.0001' in text and '83% what stage 2 starts from' in text
    assert 'custom_hooks=[]' in text and 'momentum to 0.6 or more' in text


@pytest.mark.parametrize(
    'ema, said',
    [
        (dict(momentum=0.4), 'is 6% what'),
        (dict(momentum=0.45), ''),
        (dict(momentum=1e-4, begin_iter=6), ''),
        (dict(momentum=1e-4, begin_epoch=2), 'is 50% what'),
        (dict(ema_type='StochasticWeightAverage'), ''),
        (dict(ema_type='MomentumAnnealingEMA', momentum=1e-4), ''),
    ],
)
def test_average_that_follows(stage2, ema, said):
    log = stage2(dict(ema, type='EMAHook'))[1]
    assert ('starts from, after' in log) == bool(said) and said in log


@pytest.mark.parametrize('interval, begin_iter', [(1, 0), (2, 0), (1, 3)])
def test_share_of_the_start_is_that_of_the_average(stage2, interval, begin_iter):
    """Oracle: an average over live weights of 0, then 1; float64, 1e-12."""
    ema = dict(type='EMAHook', momentum=0.4, interval=interval, begin_iter=begin_iter)
    runner = stage2(ema)[0]
    (hook,) = (h for h in runner.hooks if hasattr(h, 'ema_model'))
    average = hook.ema_model.double()
    average.steps.zero_()
    model, first = runner.model.double(), max(begin_iter, 1)
    for step in range(first, ITERS + 1):
        for parameter in model.parameters():
            parameter.data.fill_(float(step > first))
        average.update_parameters(model)
    left = 1 - next(average.parameters())
    # A late average starts from what has been trained until then.
    expected = left.max().item() * (ITERS - first) / ITERS
    assert _share_of_start(hook, runner) == pytest.approx(expected, abs=1e-12)


def test_sampler_that_does_not_balance_is_told(stage2):
    assert "type='ClassBalancedSampler')" in stage2()[1]


@pytest.mark.parametrize(
    'sampler, told',
    [
        (dict(type='InfiniteSampler'), True),
        (dict(type='ClassBalancedSampler'), False),
        (dict(type='DefaultSampler', shuffle=True), True),
    ],
)
def test_other_samplers(stage2, sampler, told):
    loader = dict(sampler=dict(sampler, _delete_=True))
    changes = {}
    if sampler['type'] == 'InfiniteSampler':
        changes = dict(
            train_cfg=dict(_delete_=True, by_epoch=False, max_iters=2),
        )
    log = stage2(train_dataloader=loader, **changes)[1]
    assert ('stays biased' in log) == told


def test_balanced_classes_and_losses_are_not_told(stage2, monkeypatch):
    name = 'ccsam_mm.engine.hooks.stage2_checks.known_class_counts'
    monkeypatch.setattr(name, lambda dataset: [4, 4, 4])
    assert 'stays biased' not in stage2()[1]
    monkeypatch.setattr(name, lambda dataset: [4, 4, 3])
    assert 'stays biased' in stage2()[1]
    monkeypatch.setattr(name.replace('known_class_counts', '_balances'), bool)
    assert 'stays biased' not in stage2()[1]


@pytest.mark.parametrize(
    'loss, balances',
    [
        (dict(type='BalancedSoftmaxLoss'), True),
        (dict(type='LabelSmoothLoss', label_smooth_val=0.98), True),
        (dict(type='LabelSmoothLoss', label_smooth_val=0.1), False),
        (dict(type='CrossEntropyLoss', class_weight=[1.0] * 5), True),
        (dict(type='CrossEntropyLoss'), False),
    ],
)
def test_losses_that_favour_rare_classes(loss, balances):
    assert _balances(tiny_model(**loss)) == balances


def test_weighted_classes_are_not_told(stage2, monkeypatch):
    hook = 'ccsam_mm.engine.hooks.ClassWeightHook'
    for name in ('before_train', 'before_train_epoch'):
        monkeypatch.setattr(f'{hook}.{name}', lambda *args: None)
    assert 'stays biased' not in stage2(dict(type='ClassWeightHook'))[1]
