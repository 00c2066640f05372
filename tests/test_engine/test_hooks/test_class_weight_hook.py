# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the rules in plain Python, and the values of the published code."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import IterBasedTrainLoop
from tiny_network import tiny_model
from updates import COUNTS

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.hooks import ClassWeightHook

FEW = torch.tensor([100, 10, 1])


def make_runner(loss='LDAMLoss', max_epochs=5, **options):
    model = tiny_model(type=loss, **options)
    return SimpleNamespace(
        model=model,
        epoch=0,
        train_loop=SimpleNamespace(max_epochs=max_epochs),
        logger=logging.getLogger('test'),
    )


@pytest.mark.parametrize(
    ('hook', 'expected'),
    [
        (ClassWeightHook('effective'), [0.027159, 0.270369, 2.702472]),
        (ClassWeightHook('power', power=1.2), [0.011192, 0.177389, 2.811419]),
        (ClassWeightHook('effective', beta=0.0), [1, 1, 1]),
        (ClassWeightHook('power', power=0), [1, 1, 1]),
    ],
)
def test_weights_of_the_published_code(hook, expected):
    assert hook.weights(FEW).tolist() == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(('rule', 'power'), [('inverse', 1), ('sqrt', 0.5)])
def test_powers_of_the_counts(rule, power):
    powers = [n**-power for n in FEW.tolist()]
    expected = [3 * p / sum(powers) for p in powers]
    assert ClassWeightHook(rule).weights(FEW).tolist() == pytest.approx(expected)


@pytest.mark.parametrize('first', [0, 3, 4])
def test_begins_with_its_epoch_also_in_a_resumed_run(first):
    runner = make_runner(class_counts=COUNTS)
    hook = ClassWeightHook(begin=3)
    hook.before_train(runner)
    for runner.epoch in range(first, 5):
        hook.before_train_epoch(runner)
        weight = runner.model.head.loss_module.class_weight
        assert (weight is None) == (runner.epoch < 3)
    torch.testing.assert_close(weight, hook.weights(torch.tensor(COUNTS)))


def test_a_loss_without_a_weighted_mean_is_refused():
    with pytest.raises(TypeError, match='CrossEntropyLoss has none.*loss.type'):
        ClassWeightHook().before_train(make_runner('CrossEntropyLoss'))


def test_given_weights_are_not_replaced():
    runner = make_runner(class_counts=COUNTS, class_weight=[1.0] * len(COUNTS))
    with pytest.raises(ValueError, match='replace model.head.loss.class_weight'):
        ClassWeightHook().before_train(runner)


def test_weights_of_a_second_training_are_the_hooks_own():
    runner, hook = make_runner(class_counts=COUNTS), ClassWeightHook()
    for _ in range(2):
        hook.before_train(runner)
        hook.before_train_epoch(runner)


def test_deferred_weights_need_epochs():
    runner = make_runner(class_counts=COUNTS)
    batches = torch.utils.data.DataLoader([0])
    runner.train_loop = IterBasedTrainLoop(runner, batches, max_iters=9)
    ClassWeightHook(begin=0).before_train(runner)
    with pytest.raises(ValueError, match='begins with epoch 1.*no epochs'):
        ClassWeightHook(begin=1).before_train(runner)


def test_weights_that_never_come_are_a_warning(caplog):
    runner = make_runner(max_epochs=3, class_counts=COUNTS)
    ClassWeightHook(begin=2).before_train(runner)
    assert not caplog.messages
    ClassWeightHook(begin=3).before_train(runner)
    assert 'training has 3, so classes never have weights' in caplog.messages[0]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(rule='focal'), "no rule 'focal'"),
        (dict(begin=-1), 'begin is -1'),
        (dict(begin=True), 'begin is True'),
        (dict(beta=1.0), 'beta is 1.0'),
        (dict(beta='0.9'), "beta is '0.9'"),
        (dict(power=float('nan')), 'power is nan'),
    ],
)
def test_wrong_argument_is_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        ClassWeightHook(**options)
