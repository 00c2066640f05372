# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the projection row by row, and the authors' rule for the bound."""

import logging
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.hooks import EMAHook
from mmengine.logging import MessageHub
from mmengine.runner import get_priority
from tiny_network import tiny_model

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.hooks import MaxNormHook


def make_runner(head=None, name='max_norm'):
    MessageHub._instance_dict.pop(name, None)
    return SimpleNamespace(
        model=tiny_model(head=head),
        iter=0,
        message_hub=MessageHub.get_instance(name),
        logger=logging.getLogger('test'),
    )


@settings(deadline=None)
@given(
    norms=st.lists(st.floats(0, 10), min_size=1, max_size=6),
    bound=st.floats(0.01, 10),
)
def test_projects_onto_the_ball(norms, bound):
    layer = torch.nn.Linear(4, len(norms)).double()
    directions = torch.nn.functional.normalize(layer.weight.detach())
    bias = layer.bias.detach().clone()
    with torch.no_grad():
        layer.weight.copy_(directions * torch.tensor(norms).double()[:, None])
    MaxNormHook.project(layer, bound)
    for row, direction, norm in zip(layer.weight, directions, norms):
        expected = min(norm, bound) * direction
        torch.testing.assert_close(row.detach(), expected, rtol=2e-7, atol=2e-7)
    assert torch.equal(layer.bias, bias)


def test_bound_of_the_released_code():
    runner = make_runner()
    hook = MaxNormHook()
    norms = [
        sum(w**2 for w in row) ** 0.5 for row in runner.model.head.fc.weight.tolist()
    ]
    hook.before_train(runner)
    bound = runner.message_hub.get_info('max_norm')
    assert bound == pytest.approx(min(norms) + 0.1 * (max(norms) - min(norms)))
    hook.after_train_iter(runner, 0)
    found = runner.model.head.fc.weight.detach().norm(dim=1).tolist()
    assert found == pytest.approx([min(norm, bound) for norm in norms])


def test_an_average_is_of_projected_weights():
    assert get_priority(MaxNormHook().priority) < get_priority(EMAHook().priority)


def test_a_given_bound_comes_first():
    runner = make_runner()
    MaxNormHook(max_norm=0.25).before_train(runner)
    assert runner.message_hub.get_info('max_norm') == 0.25


def test_a_resumed_training_keeps_the_bound():
    """Runner restores the message hub; the weights are projected by then."""
    runner = make_runner()
    hook = MaxNormHook()
    hook.before_train(runner)
    bound = runner.message_hub.get_info('max_norm')
    hook.after_train_iter(runner, 0)
    saved = runner.message_hub.state_dict()

    resumed = make_runner(name='resumed')
    resumed.model.load_state_dict(runner.model.state_dict())
    resumed.message_hub.load_state_dict(saved)
    resumed.iter = 1
    MaxNormHook().before_train(resumed)
    assert resumed.message_hub.get_info('max_norm') == bound


def test_a_resumed_training_without_a_bound_is_refused():
    runner = make_runner()
    runner.iter = 7
    with pytest.raises(RuntimeError, match='set MaxNormHook.max_norm, or start'):
        MaxNormHook().before_train(runner)


@pytest.mark.parametrize(
    'options', [dict(max_norm=0), dict(max_norm='1'), dict(fraction=1.5)]
)
def test_wrong_arguments_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f'MaxNormHook.{name} is .*set it to'):
        MaxNormHook(**options)


def test_a_head_without_a_linear_layer_is_refused():
    runner = make_runner(head=dict(type='CosineLinearClsHead'))
    with pytest.raises(ValueError, match='MaxNormHook cannot do without: remove'):
        MaxNormHook().before_train(runner)


def test_frozen_weights_are_refused():
    runner = make_runner()
    runner.model.head.fc.requires_grad_(False)
    with pytest.raises(ValueError, match="'head.fc' is frozen"):
        MaxNormHook(0.1).before_train(runner)


def test_computed_weights_are_refused():
    runner = make_runner()
    torch.nn.utils.parametrizations.spectral_norm(runner.model.head.fc)
    with pytest.raises(ValueError, match="'head.fc' are computed from others"):
        MaxNormHook().before_train(runner)
