# Copyright (c) ccsam_mm contributors. All rights reserved.
"""CC-SAM beside MMEngine's other features: hooks, runners, checkpointing, wrappers."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook
from mmengine.model import BaseDataPreprocessor
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import FlexibleRunner, Runner
from mmpretrain.models import ImageClassifier
from tiny_network import tiny_batch, tiny_model
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from updates import COUNTS, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

CONFIG = dict(
    type='CCSAMOptimWrapper', optimizer=dict(type='SGD', lr=0.5), class_counts=COUNTS
)
BATCHES = [tiny_batch([0, 0, 1, 4], seed=1), tiny_batch([3, 2, 2, 2, 0], seed=2)]
# Of PyTorch, about how MMEngine and MMPretrain call it.
pytestmark = [
    pytest.mark.filterwarnings('ignore:.*the use_reentrant parameter'),
    pytest.mark.filterwarnings('ignore:None of the inputs have requires_grad'),
]
both_forwards = pytest.mark.parametrize('perturb', ['head', ''])


@pytest.fixture
def make_runner(tmp_path, quick_runners):
    """Builds runners that train a model on ``BATCHES``, twice."""
    names = iter('abcdefgh')

    def build(model, perturb, runner=Runner, options=(), **kwargs):
        model._is_init = True  # the weights are random enough
        return runner(
            model,
            work_dir=str(tmp_path),
            experiment_name=f'{tmp_path.name}_{next(names)}',
            train_dataloader=DataLoader(BATCHES, collate_fn=list.pop),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(CONFIG, perturb=perturb, **dict(options)),
            default_scope='mmpretrain',
            **kwargs,
        )

    return build


def trained_by_hand(model, perturb):
    """The weights after each step of what :func:`make_runner` trains."""
    wrapper = build_optim_wrapper(model, dict(CONFIG, perturb=perturb))
    weights = []
    for batch in BATCHES * 2:
        model.train_step(batch, wrapper)
        weights.append(copy.deepcopy(model.state_dict()))
    return weights


def assert_same_weights(actual, expected):
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-9, atol=1e-12)


@both_forwards
def test_ema_hook(make_runner, perturb):
    class Swap(Hook):
        """What a validation does between two steps."""

        def before_train_epoch(self, runner):
            ema.before_val_epoch(runner)
            ema.after_val_epoch(runner)

    ema = EMAHook(momentum=0.25)
    runner = make_runner(tiny_model(), perturb, custom_hooks=[ema, Swap()])
    runner.train()
    weights = trained_by_hand(tiny_model(), perturb)
    assert_same_weights(runner.model.state_dict(), weights[-1])
    names = [name for name, _ in runner.model.named_parameters()]
    average = {name: weights[0][name] for name in names}
    for step in weights[1:]:
        average = {name: 0.75 * average[name] + 0.25 * step[name] for name in names}
    assert_same_weights(ema.ema_model.module.state_dict(), average)


@both_forwards
def test_flexible_runner(make_runner, perturb):
    runner = make_runner(
        tiny_model(),
        perturb,
        FlexibleRunner,
        strategy=dict(type='SingleDeviceStrategy'),
    )
    runner.train()
    expected = trained_by_hand(tiny_model(), perturb)[-1]
    assert_same_weights(runner.model.state_dict(), expected)


class Stop(Hook):
    """End the training before its second epoch, as a signal would."""

    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            raise KeyboardInterrupt


@both_forwards
def test_warmup_goes_on_in_a_resumed_run(make_runner, perturb):
    options = dict(rho_warmup=0.75)
    with pytest.raises(KeyboardInterrupt):
        make_runner(
            tiny_model(), perturb, options=options, custom_hooks=[Stop()]
        ).train()
    runner = make_runner(tiny_model(seed=1), perturb, options=options, resume=True)
    runner.train()

    model = tiny_model()
    wrapper = build_optim_wrapper(model, dict(CONFIG, perturb=perturb))
    for batch, share in zip(BATCHES * 2, (1 / 3, 2 / 3, 1, 1)):
        wrapper.rho_scale = share
        model.train_step(batch, wrapper)
    assert_same_weights(runner.model.state_dict(), model.state_dict())


def small_resnet():
    torch.manual_seed(0)
    model = ImageClassifier(
        backbone=dict(type='CIFARResNet', depth=8, base_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=16),
    )
    model.data_preprocessor = BaseDataPreprocessor()
    return model.double().train()


@pytest.mark.parametrize('perturb', ['head', ['backbone.layer3', 'head']])
@pytest.mark.parametrize('how', ['with_cp', 'activation_checkpointing'])
def test_checkpointing_in_the_trunk(make_runner, monkeypatch, perturb, how):
    model, runs = small_resnet(), []
    trunk = model.backbone.layer1[0]
    trunk.conv1.register_forward_hook(lambda *args: runs.append(args))
    trunk.with_cp = how == 'with_cp'
    cfg = dict(activation_checkpointing=['backbone.layer1.0', 'backbone.layer2'])
    cfg = Config(cfg if how == 'activation_checkpointing' else {})
    make_runner(model, perturb, cfg=cfg).train()
    # Forward and recomputation in each of four steps, and what the first step checks.
    assert len(runs) == 2 * 4 + (0 if perturb == 'head' else 2)
    reference = small_resnet()
    trained_by_hand(reference, perturb)
    # Running statistics move in the recomputation, too, as ever.
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(model.get_parameter(name), parameter)


@pytest.mark.parametrize(
    'perturb, modules, named',
    [
        ('head', 'head', 'head'),
        ('head', 'head.fc', 'head.fc'),
        ('', 'backbone.norm', 'backbone.norm'),
        (['backbone.norm', 'head'], 'backbone', 'backbone'),
    ],
)
def test_checkpointing_of_the_perturbed_part_is_refused(
    make_runner, perturb, modules, named
):
    runner = make_runner(
        tiny_model(), perturb, cfg=Config(dict(activation_checkpointing=modules))
    )
    with pytest.raises(NotImplementedError, match=f"'{named}' .* checkpointing"):
        runner.train()


def checkpoint_by_hand(model, use_reentrant):
    """Checkpoint the head in a way that only its run can tell."""

    class Checkpointed(type(model.head)):
        def forward(self, feats):
            return checkpoint(super().forward, feats, use_reentrant=use_reentrant)

    model.head.__class__ = Checkpointed


@pytest.mark.parametrize(
    'perturb, use_reentrant', [('head', True), ('', True), ('', False)]
)
def test_hidden_checkpointing_is_refused(perturb, use_reentrant):
    model = tiny_model()
    checkpoint_by_hand(model, use_reentrant)
    wrapper = build_optim_wrapper(model, dict(CONFIG, perturb=perturb))
    # Ours, or that of PyTorch, whose recomputation finds other tensors.
    with pytest.raises(RuntimeError, match='did not run with gradients|recomputation'):
        model.train_step(BATCHES[0], wrapper)


def test_hidden_checkpointing_suits_the_closed_form():
    """Nothing of the perturbed pass is computed again."""
    model, plain = tiny_model(), tiny_model()
    checkpoint_by_hand(model, use_reentrant=False)
    updates = [
        sgd_updates(m, BATCHES[0], build_optim_wrapper(m, CONFIG))
        for m in (model, plain)
    ]
    assert relative_difference(*updates) < 1e-12


def hollow(wrapper, module):
    """A model wrapper as its training would meet it, without what it needs to run."""
    cls = MODEL_WRAPPERS.get(wrapper)
    wrapped = cls.__new__(cls)
    if isinstance(wrapped, torch.nn.Module):
        torch.nn.Module.__init__(wrapped)
        wrapped.module = module
    else:  # DeepSpeed's
        vars(wrapped)['model'] = module
    return wrapped


@both_forwards
@pytest.mark.parametrize(
    'name', ['MMFullyShardedDataParallel', 'MMDeepSpeedEngineWrapper', 'DataParallel']
)
def test_sharding_wrappers_are_refused(perturb, name):
    model = tiny_model()
    wrapper = build_optim_wrapper(model, dict(CONFIG, perturb=perturb))
    with pytest.raises(TypeError, match=f'inside {name}: train with MMDistributed'):
        wrapper.initialize_count_status(hollow(name, model), 0, 10)


@both_forwards
@pytest.mark.parametrize('outer', ['', 'Separate'])
def test_nested_wrappers_are_refused(perturb, outer):
    model = tiny_model()
    wrapper = build_optim_wrapper(model, dict(CONFIG, perturb=perturb))
    model.head = hollow('MMDistributedDataParallel', model.head)
    for network in (model, hollow(f'MM{outer}DistributedDataParallel', model)):
        with pytest.raises(TypeError, match='holds a MMDistributedDataParallel'):
            wrapper.initialize_count_status(network, 0, 10)
