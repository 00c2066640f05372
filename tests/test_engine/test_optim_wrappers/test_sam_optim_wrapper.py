# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Updates against ``sam_brute_force.py``: whole-model copies, in float64."""

import copy
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODEL_WRAPPERS, DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from sam_brute_force import (
    TinyDetector,
    detector_batch,
    detector_loss,
    gradients,
    sam_gradients,
)
from tiny_network import tiny_batch, tiny_model
from torch.utils.checkpoint import checkpoint
from updates import relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.passes.random_state import RandomState


def build_wrapper(model, **kwargs):
    config = dict(type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=1.0))
    config.update(kwargs)
    return build_optim_wrapper(model, config)


def tiny_detector(**kwargs):
    return TinyDetector(**kwargs).double()


def seed_everything(seed=0):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@settings(max_examples=300, deadline=None)
@given(
    rho=st.sampled_from([0.0, 0.05, 2.0]),
    adaptive=st.booleans(),
    eta=st.sampled_from([0.0, 0.01, 0.3]),
    size=st.integers(2, 6),
    seed=st.integers(0, 1000),
)
def test_update_equals_brute_force(size, seed, **options):
    model, batch = tiny_detector(seed=seed), detector_batch(size, seed)
    expected = sam_gradients(
        copy.deepcopy(model), lambda net: detector_loss(net, batch), **options
    )
    actual = sgd_updates(model, batch, build_wrapper(model, **options))
    assert relative_difference(actual, expected) < 1e-9


@settings(max_examples=30, deadline=None)
@given(
    counts=st.integers(1, 3),
    max_norm=st.sampled_from([None, 0.1]),
    adaptive=st.booleans(),
)
def test_accumulation_and_clipping(counts, max_norm, adaptive):
    """Each micro-batch has its own perturbation; clipping acts on the mean."""
    model, plain = tiny_detector(), tiny_detector()
    batches = [detector_batch(seed=i) for i in range(counts)]
    clip_grad = max_norm and dict(max_norm=max_norm)
    wrapper = build_wrapper(
        model,
        rho=0.5,
        adaptive=adaptive,
        accumulative_counts=counts,
        clip_grad=clip_grad,
    )
    for batch in batches:
        actual = sgd_updates(model, batch, wrapper)
    parts = [
        sam_gradients(
            plain,
            lambda net, batch=batch: detector_loss(net, batch),
            rho=0.5,
            adaptive=adaptive,
        )
        for batch in batches
    ]
    expected = {name: sum(part[name] for part in parts) / counts for name in actual}
    if max_norm is not None:
        norm = torch.cat([grad.flatten() for grad in expected.values()]).norm()
        # As clip_grad_norm_ defines it.
        factor = max_norm / (norm + 1e-6)
        assert factor < 1
        expected = {name: factor * grad for name, grad in expected.items()}
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('adaptive, rho', [(False, 0.05), (True, 0.5)])
def test_default_radius_is_the_papers(adaptive, rho):
    assert build_wrapper(tiny_detector(), adaptive=adaptive).rho == rho


def test_perturbation_changes_the_update():
    """The oracle tests would be void if perturbed and plain gradients agreed."""
    model, batch = tiny_detector(), detector_batch()
    plain = copy.deepcopy(model)
    expected = gradients(plain, detector_loss(plain, batch))
    actual = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(actual, expected) > 1e-3


def test_looks_share_random_numbers():
    """Dropout, Python's and NumPy's generators give the same in both passes."""
    model, batch = tiny_detector(noise=True), detector_batch()

    def loss_of(network):
        seed_everything()
        return detector_loss(network, batch)

    expected = sam_gradients(copy.deepcopy(model), loss_of, rho=0.5)
    seed_everything()
    actual = sgd_updates(model, batch, build_wrapper(model, rho=0.5))
    assert relative_difference(actual, expected) < 1e-9


def test_second_look_leaves_no_trace_in_random_generators():
    """Also if it draws more numbers than the first one."""

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    seed_everything()
    expected = [draw() for _ in range(2)]
    seed_everything()
    state = RandomState([torch.device('cpu')])
    actual = [draw()]
    with state.replayed():
        assert draw() == actual[0]
        draw()
    assert [*actual, draw()] == expected


def test_zero_radius_equals_sgd():
    """Over several steps: buffers and random generators move as in plain training."""
    models = [tiny_detector(noise=True) for _ in range(2)]
    optimizer = dict(type='SGD', lr=0.05, momentum=0.9)
    wrappers = [
        build_wrapper(models[0], optimizer=optimizer, rho=0),
        build_wrapper(models[1], optimizer=optimizer, type='OptimWrapper'),
    ]
    for model, wrapper in zip(models, wrappers):
        seed_everything()
        for step in range(3):
            model.train_step(detector_batch(seed=step), wrapper)
    for name, value in models[1].state_dict().items():
        torch.testing.assert_close(
            models[0].state_dict()[name], value, rtol=1e-12, atol=1e-14
        )


def test_buffers_move_once_and_as_in_the_first_look():
    model, batch = tiny_detector(), detector_batch()
    plain = copy.deepcopy(model)
    model.train_step(batch, build_wrapper(model, rho=2.0))
    plain(**batch, mode='loss')
    assert model.num_images == len(batch['inputs'])
    assert model.norm.num_batches_tracked == 1
    for name, buffer in plain.named_buffers():
        assert torch.equal(model.get_buffer(name), buffer)


def test_stateful_loss_counts_a_batch_once_and_starts_equal():
    """SeesawLoss weighs classes by what it has counted, in both passes alike."""
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 4])
    model.head.loss_module = MODELS.build(dict(type='SeesawLoss', num_classes=5))

    def loss_of(network):
        return network.parse_losses(network(**batch, mode='loss'))[0]

    expected = sam_gradients(copy.deepcopy(model), loss_of, rho=0.5)
    actual = sgd_updates(model, batch, build_wrapper(model, rho=0.5))
    # The loss computes in float32.
    assert relative_difference(actual, expected) < 1e-6
    assert model.head.loss_module.cum_samples.tolist() == [2, 1, 0, 0, 1]


def test_logged_values():
    model, batch = tiny_detector(), detector_batch()
    first = copy.deepcopy(model)
    clean = detector_loss(first, batch)
    logs = model.train_step(batch, build_wrapper(model))
    assert set(logs) == {
        'loss', 'loss_box', 'loss_score', 'mean_score', 'clean_objective'
    }  # fmt: skip
    torch.testing.assert_close(logs['clean_objective'], clean.detach())
    torch.testing.assert_close(
        logs['mean_score'], first(batch['inputs'])[1].mean(), rtol=1e-12, atol=0
    )
    assert logs['loss'] > clean
    torch.testing.assert_close(logs['loss'], logs['loss_box'] + logs['loss_score'])


def test_training_continues_from_a_saved_state():
    model = tiny_detector()
    config = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
    wrapper = build_wrapper(model, **config)
    for step in range(2):
        model.train_step(detector_batch(seed=step), wrapper)
    other = tiny_detector(seed=7)
    fresh = build_wrapper(other, **config)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    fresh.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    expected = sgd_updates(model, detector_batch(seed=2), wrapper)
    actual = sgd_updates(other, detector_batch(seed=2), fresh)
    assert relative_difference(actual, expected) == 0


def test_runner_with_moving_average(tmp_path, monkeypatch):
    """MMEngine's own loop, logs and EMAHook around the wrapper."""
    # Asking compilers for their versions takes half a second.
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    # Leave no current scope and no progress of a training to other tests.
    for manager in (DefaultScope, MessageHub):
        monkeypatch.setattr(manager, '_instance_dict', manager._instance_dict.copy())
    batches = [
        {key: value[0] for key, value in detector_batch(1, seed=i).items()}
        for i in range(6)
    ]
    model = tiny_detector()
    runner = Runner(
        model,
        work_dir=str(tmp_path),
        train_dataloader=dict(
            batch_size=2,
            dataset=batches,
            collate_fn=dict(type='default_collate'),
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(
            type='SAMOptimWrapper', optimizer=dict(type='SGD', lr=0.1), rho=0.5
        ),
        custom_hooks=[dict(type='EMAHook', momentum=0.25)],
        env_cfg=dict(mp_cfg=dict(mp_start_method='fork')),
        experiment_name=tmp_path.name,
    )
    oracle = copy.deepcopy(model)
    average = {name: p.detach().clone() for name, p in oracle.named_parameters()}
    runner.train()
    for first in range(0, 6, 2):
        joined = {
            key: torch.stack([item[key] for item in batches[first : first + 2]])
            for key in batches[0]
        }
        grads = sam_gradients(
            oracle, lambda net, batch=joined: detector_loss(net, batch), rho=0.5
        )
        with torch.no_grad():
            for name, parameter in oracle.named_parameters():
                parameter -= 0.1 * grads[name]
                # The hook's first call copies.
                step = 1 if first == 0 else 0.25
                average[name] += step * (parameter - average[name])
    saved = torch.load(tmp_path / 'epoch_1.pth')
    for name, parameter in oracle.named_parameters():
        # MMEngine saves the average as the model's weights.
        torch.testing.assert_close(saved['state_dict'][name], average[name])
        trained = saved['ema_state_dict'][f'module.{name}']
        torch.testing.assert_close(trained, parameter.detach())
    assert len(runner.message_hub.log_scalars['train/clean_objective'].data[0]) == 3


class SharedRecurrent(BaseModel):
    """Tied and unused parameters, and a recurrent layer, which caches its weights."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.recurrent = torch.nn.LSTM(3, 3)
        self.read = torch.nn.Linear(3, 3)
        self.write = torch.nn.Linear(3, 3)
        self.write.weight = self.read.weight
        self.unused = torch.nn.Parameter(torch.ones(2))
        self.frozen = torch.nn.Parameter(torch.full((3,), 0.5), requires_grad=False)

    def forward(self, inputs, mode):
        """One loss, whatever the mode."""
        hidden = self.recurrent(self.read(inputs))[0] * self.frozen
        return dict(loss=self.write(hidden).square().mean())


def test_tied_unused_frozen_and_recurrent_parameters():
    model = SharedRecurrent().double()
    batch = dict(inputs=torch.randn(5, 2, 3).double())
    expected = sam_gradients_of_trained(copy.deepcopy(model), batch, rho=0.5)
    actual = sgd_updates(model, batch, build_wrapper(model, rho=0.5))
    assert (actual.pop('unused') == 0).all() and (actual.pop('frozen') == 0).all()
    assert relative_difference(actual, expected) < 1e-9


def sam_gradients_of_trained(model, batch, **options):
    model.frozen = torch.nn.Parameter(model.frozen.detach())
    frozen = model._parameters.pop('frozen').detach()
    model.register_buffer('frozen', frozen)
    grads = sam_gradients(
        model, lambda net: net(**batch, mode='loss')['loss'], **options
    )
    grads.pop('unused')
    return grads


def test_only_the_optimizers_own_parameters_are_perturbed():
    model, batch = tiny_detector(), detector_batch()
    wrapper = build_wrapper(model, rho=0.5)
    own = wrapper.optimizer.param_groups[0]
    own['params'] = [p for p in own['params'] if p is not model.box.weight]
    plain = copy.deepcopy(model)
    plain.box.weight.requires_grad_(False)
    network = build_wrapper(plain, rho=0.5)
    expected = sgd_updates(plain, batch, network)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-12


@pytest.mark.parametrize('factor', [0.0, 1e25])
def test_no_perturbation_without_a_finite_gradient(factor):
    """The loss may vanish, or the gradient's norm overflow: the step is plain SGD's."""

    class Scaled(BaseModel):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, inputs, mode):
            return dict(loss=factor * (self.weight * inputs).square().sum())

    model = Scaled()
    batch = dict(inputs=torch.tensor([1.0, 3.0]))
    update = sgd_updates(model, batch, build_wrapper(model, rho=0.5))['weight']
    expected = factor * torch.tensor([2.0, 36.0])
    torch.testing.assert_close(update, expected)


def test_hooks_are_gone_also_after_an_error():
    model, batch = tiny_detector(), detector_batch()
    wrapper = build_wrapper(model)

    def hooks():
        return [*model._forward_hooks, *model._forward_pre_hooks]

    model.train_step(batch, wrapper)
    assert not hooks()
    with pytest.raises(RuntimeError):
        model.train_step(dict(batch, inputs=batch['inputs'][:, :1]), wrapper)
    assert not hooks() and not wrapper._passes.is_running
    model.train_step(batch, wrapper)


def test_other_modes_and_evaluation_in_the_context_are_untouched():
    model, batch = tiny_detector(), detector_batch()
    wrapper = build_wrapper(model)
    with wrapper.optim_context(model):
        model(batch['inputs'])
        with torch.no_grad():
            losses = model(**batch, mode='loss')
        assert 'clean_objective' not in losses
        # The mode by position, as a train_step of one's own may give it.
        losses = model(*batch.values(), 'loss')
        assert 'clean_objective' in losses


def test_model_that_calls_itself():
    class Outer(TinyDetector):
        def forward(self, inputs, boxes=None, scores=None, mode='tensor'):
            if mode == 'loss':
                boxes = boxes - self(inputs, mode='tensor')[0].detach()
            return super().forward(inputs, boxes, scores, mode)

    model, batch = Outer().double(), detector_batch()

    def loss_of(network):
        return network.parse_losses(network(**batch, mode='loss'))[0]

    expected = sam_gradients(copy.deepcopy(model), loss_of, rho=0.5)
    actual = sgd_updates(model, batch, build_wrapper(model, rho=0.5))
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('use_reentrant', [True, False])
def test_gradient_checkpointing_is_refused(use_reentrant):
    class Checkpointed(TinyDetector):
        def forward(self, inputs, *args, **kwargs):
            inputs = checkpoint(
                torch.nn.Sequential(self.first), inputs, use_reentrant=use_reentrant
            )
            return super().forward(inputs, *args, **kwargs)

    model, batch = Checkpointed(), detector_batch(dtype=torch.float32)
    model.first = torch.nn.Conv2d(3, 3, 1)
    batch['inputs'].requires_grad_()
    with pytest.raises(RuntimeError, match='SAMOptimWrapper.*with_cp=False'):
        model.train_step(batch, build_wrapper(model))
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_train_step_without_a_forward_is_refused():
    class Own(TinyDetector):
        def train_step(self, data, optim_wrapper):
            with optim_wrapper.optim_context(self):
                losses = self.forward(**data, mode='loss')
            optim_wrapper.update_params(self.parse_losses(losses)[0])

    model = Own().double()
    with pytest.raises(RuntimeError, match="self\\(..., mode='loss'\\)"):
        model.train_step(detector_batch(), build_wrapper(model))


@pytest.mark.parametrize('nested', [False, True])
def test_sharding_wrappers_are_refused(nested):
    @MODEL_WRAPPERS.register_module(force=True)
    class Sharded(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    model = tiny_detector()
    wrapper = build_wrapper(model)
    if nested:
        model.conv = Sharded(model.conv)
    else:
        model = Sharded(model)
    with pytest.raises(TypeError, match='^SAMOptimWrapper.*Sharded.*model_wrapper_cfg'):
        wrapper.initialize_count_status(model, 0, 10)


@pytest.mark.parametrize(
    'name, value',
    [('rho', -0.1), ('rho', '0.05'), ('eta', -1), ('adaptive', 1), ('sync_ascent', 0)],
)
def test_wrong_options_are_refused(name, value):
    with pytest.raises(ValueError, match=f'optim_wrapper.{name} is {value!r}'):
        build_wrapper(tiny_detector(), **{name: value})
