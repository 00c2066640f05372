# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Class-routed forward for any perturbed part, in float64.

Where images do not depend on each other, the oracle is the literal one of
``brute_force.py``. With batch norm, it is ``spelled_out`` below: the routed definition,
image by image.
"""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from brute_force import brute_force_gradients, cross_entropy
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.model import BaseModule
from mmengine.optim import build_optim_wrapper
from mmpretrain.models import ClsHead
from mmpretrain.models.heads.margin_head import NormProduct
from mmpretrain.registry import MODELS
from routed_brute_force import assert_equals_brute_force, build_model
from tiny_network import tiny_batch, tiny_model
from torch import nn
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.passes import class_conditional_mixin


@MODELS.register_module()
class NoBatchNorm(BaseModule):
    """Convolutions, group and layer norm, a parameter of its own, dropout."""

    def __init__(self, dropout=0.0):
        super().__init__()
        # Circular padding cannot be grouped, and goes class by class.
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode='circular'),
            nn.GroupNorm(2, 4, eps=0.1),
            nn.Tanh(),
        )
        self.drop = nn.Dropout(dropout)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Tanh())
        self.norm = nn.LayerNorm(4, eps=0.1)
        self.fc = nn.Linear(4, 4, bias=False)
        self.p = dropout

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        x = self.stem(x)
        x = F.dropout(x, self.p, self.training)
        x = self.block(self.drop(x)).mean(dim=(2, 3))
        return (self.drop(self.fc(self.norm(x))).tanh(),)


@MODELS.register_module()
class CosineHead(ClsHead):
    """A linear layer with a forward of its own, as in margin heads."""

    def __init__(self, num_classes, in_channels, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.product = NormProduct(in_channels, num_classes)

    def forward(self, feats):
        """Scaled cosines, ``(N, K)``."""
        return 4 * self.product(feats[-1])


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=7),
    perturb=st.sampled_from(
        [
            'head',
            '',
            'backbone',
            'backbone.block',
            ['backbone.fc', 'head'],
            ['backbone.norm', 'head.fc.bias'],
            ['backbone.stem.1', 'backbone.norm.weight'],
        ]
    ),
    soft=st.booleans(),
    rho_scale=st.sampled_from([0.0, 0.3, 1.0]),
    max_relative_norm=st.sampled_from([None, 0.1]),
    class_reduction=st.sampled_from(['sample', 'class']),
    perturbed_weight=st.sampled_from([1.0, 0.3]),
    min_grad_norm=st.sampled_from([0.0, 1.2]),
    seed=st.integers(0, 1000),
)
def test_equals_brute_force_without_batch_norm(labels, perturb, soft, seed, **options):
    model = build_model(dict(type='NoBatchNorm'), seed=seed)
    if soft:
        loss = dict(type='CrossEntropyLoss', use_soft=True)
        model.head.loss_module = MODELS.build(loss)
    batch = tiny_batch(labels, soft=soft, seed=seed)
    assert_equals_brute_force(model, batch, perturb, **options)


def small_vit(**kwargs):
    arch = dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8)
    return dict(type='VisionTransformer', arch=arch, img_size=6, patch_size=3, **kwargs)


SWIN = dict(
    type='SwinTransformer',
    arch=dict(embed_dims=8, depths=[2, 2], num_heads=[1, 2]),
    img_size=16,
    patch_size=2,
    window_size=4,
    drop_path_rate=0.0,
    out_indices=(1,),
)
CONVNEXT = dict(
    type='ConvNeXt',
    arch=dict(depths=[1, 1], channels=[4, 4]),
    stem_patch_size=2,
    drop_path_rate=0.0,
    layer_scale_init_value=1.0,
    out_indices=(1,),
)
GAP = dict(type='GlobalAveragePooling')
VIT_HEAD = dict(type='VisionTransformerClsHead', in_channels=8)


@pytest.mark.parametrize(
    'backbone, head, neck, perturb',
    [
        (small_vit(), VIT_HEAD, None, ['backbone.layers.1', 'head']),
        (small_vit(), VIT_HEAD, None, ''),
        (small_vit(), dict(VIT_HEAD, hidden_dim=6), None, 'head'),
        (SWIN, dict(in_channels=16), GAP, ['backbone.stages.1', 'head']),
        (SWIN, dict(in_channels=16), GAP, 'backbone.stages.1.blocks.1'),
        (CONVNEXT, None, None, ['backbone.stages.1', 'backbone.norm1', 'head']),
        (CONVNEXT, None, None, ''),
        (
            dict(type='NoBatchNorm'),
            dict(type='StackedLinearClsHead', mid_channels=(6,)),
            None,
            'head',
        ),
        (dict(type='NoBatchNorm'), dict(type='CosineHead'), None, 'head'),
    ],
)
def test_backbones_and_heads(backbone, head, neck, perturb):
    model = build_model(backbone, head, neck=neck)
    batch = tiny_batch([0, 2, 0, 1, 4, 2])
    if backbone is SWIN:
        batch['inputs'] = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    assert assert_equals_brute_force(model, batch, perturb) > 1e-4


def spelled_out(model, batch, counts, scope, rho_scale=1.0):
    """The routed definition for ``TinyBackbone`` with a linear head, image by image.

    Every class has its own copy of the weights in ``scope``; batch norm takes its
    statistics from all images of the pass.
    """
    images = batch['inputs']
    classes = [int(sample.gt_label) for sample in batch['data_samples']]
    shared = {name: p.detach().clone() for name, p in model.named_parameters()}
    scoped = [name for name in shared if name.startswith(scope)]

    def losses_of(weights):
        maps = [
            F.conv2d(
                images[i : i + 1],
                weights[c]['backbone.conv.weight'],
                weights[c]['backbone.conv.bias'],
            )[0]
            for i, c in enumerate(classes)
        ]
        every = torch.stack(maps)
        mean = every.mean(dim=(0, 2, 3), keepdim=True)
        variance = ((every - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        every = (every - mean) / torch.sqrt(variance + model.backbone.norm.eps)
        losses = []
        for i, c in enumerate(classes):
            own = weights[c]
            gamma = own['backbone.norm.weight'][:, None, None]
            beta = own['backbone.norm.bias'][:, None, None]
            feature = torch.tanh(gamma * every[i] + beta).mean(dim=(1, 2))
            score = own['head.fc.weight'] @ feature + own['head.fc.bias']
            losses.append(torch.logsumexp(score, dim=0) - score[c])
        return torch.stack(losses)

    copies = {
        c: {
            n: v.clone().requires_grad_() if n in scoped else v
            for n, v in shared.items()
        }
        for c in set(classes)
    }
    loss = losses_of(copies).mean()
    k = sum(shared[name].numel() for name in scoped)
    weight_norm = math.sqrt(sum(float((shared[n] ** 2).sum()) for n in scoped))
    leaves = {name: v.clone().requires_grad_() for name, v in shared.items()}
    perturbed = {}
    for c in set(classes):
        grads = torch.autograd.grad(
            loss, [copies[c][name] for name in scoped], retain_graph=True
        )
        grads = [grad * len(classes) / classes.count(c) for grad in grads]
        grad_norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
        images_of_class = max(counts[c] - 1, 1)
        rho = math.sqrt(weight_norm / (2 * grad_norm)) / (k * images_of_class) ** 0.25
        step = rho_scale * math.sqrt(k) * rho / grad_norm
        perturbed[c] = dict(leaves)
        for name, grad in zip(scoped, grads):
            perturbed[c][name] = leaves[name] + step * grad
    total = losses_of(perturbed).mean()
    return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values()))))


@settings(max_examples=25, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=7),
    scope=st.sampled_from(
        ['', 'backbone', 'backbone.norm', 'backbone.conv', 'backbone.norm.weight']
    ),
    rho_scale=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)
def test_batch_norm_follows_the_routed_definition(labels, scope, rho_scale, seed):
    model, batch = tiny_model(seed=seed), tiny_batch(labels, seed=seed)
    expected = spelled_out(copy.deepcopy(model), batch, COUNTS, scope, rho_scale)
    wrapper = build_wrapper(model, perturb=scope, rho_scale=rho_scale)
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('perturb', ['', 'backbone.bn1', ['backbone.layer3', 'head']])
def test_zero_scale_equals_plain_sgd_and_statistics_move_once(perturb):
    backbone = dict(type='CIFARResNet', depth=8, base_channels=4)
    model = build_model(backbone, dict(in_channels=16), neck=GAP)
    batch, plain = tiny_batch([0, 3, 0, 1, 3]), copy.deepcopy(model)
    sgd = build_optim_wrapper(plain, dict(optimizer=dict(type='SGD', lr=1.0)))
    expected = sgd_updates(plain, batch, sgd)
    wrapper = build_wrapper(model, perturb=perturb, rho_scale=0)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(model.get_buffer(name), buffer)


def test_statistics_are_those_of_the_clean_look():
    model, batch = tiny_model(), tiny_batch([0, 3, 0, 1])
    plain = copy.deepcopy(model)
    plain(batch['inputs'], mode='tensor')
    model.train_step(batch, build_wrapper(model, perturb=''))
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(model.get_buffer(name), buffer)


@settings(max_examples=15, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=7),
    class_reduction=st.sampled_from(['sample', 'class']),
    perturbed_weight=st.sampled_from([1.0, 0.3]),
    seed=st.integers(0, 1000),
)
def test_closed_form_and_routing_agree(labels, seed, **options):
    batch = tiny_batch(labels + [0], seed=seed)
    updates = []
    for routed in (False, True):
        model = tiny_model(seed=seed)
        with pytest.MonkeyPatch.context() as patch:
            if routed:
                patch.setattr(
                    class_conditional_mixin,
                    'find_linear_classifier',
                    lambda *args: None,
                )
            updates.append(sgd_updates(model, batch, build_wrapper(model, **options)))
    assert relative_difference(*updates) < 1e-10


@pytest.mark.parametrize(
    'perturb', ['', 'backbone.block', 'backbone.fc', ['backbone.norm', 'head']]
)
def test_dropout_is_the_same_in_both_looks(perturb):
    batch, losses = tiny_batch([0, 3, 0, 1, 4, 4]), []
    for seed in (1, 2):
        model = build_model(dict(type='NoBatchNorm', dropout=0.5))
        torch.manual_seed(seed)
        wrapper = build_wrapper(model, perturb=perturb, rho_scale=0)
        logs = model.train_step(batch, wrapper)
        torch.testing.assert_close(logs['loss'], logs['clean_objective'])
        losses.append(logs['loss'])
    assert losses[0] != losses[1]  # dropout is at work


def test_stochastic_depth_is_the_same_in_both_looks():
    model = build_model(small_vit(drop_path_rate=0.9, drop_rate=0.3), VIT_HEAD)
    batch = tiny_batch([0, 3, 0, 1, 4, 4])
    wrapper = build_wrapper(model, perturb=['backbone.layers.1', 'head'], rho_scale=0)
    logs = model.train_step(batch, wrapper)
    torch.testing.assert_close(logs['loss'], logs['clean_objective'])


def test_trunk_runs_once():
    model, batch = build_model(dict(type='NoBatchNorm')), tiny_batch([0, 3, 0])
    wrapper = build_wrapper(model, perturb=['backbone.block', 'backbone.fc'])
    model.train_step(batch, wrapper)  # the first step runs more for its checks
    runs = dict(stem=0, block=0)
    for name in runs:
        conv = model.backbone.get_submodule(name)[0]

        def count(*args, name=name, forward=conv._conv_forward):
            runs[name] += 1
            return forward(*args)

        conv._conv_forward = count
    model.train_step(batch, wrapper)
    # Two passes, whatever the number of classes.
    assert runs == dict(stem=1, block=2)


@pytest.mark.parametrize('part', ['drop', 'block'])
def test_hooks_that_change_an_output_act_once_per_look(part):
    model, batch = build_model(dict(type='NoBatchNorm')), tiny_batch([0, 1, 0])
    module = model.backbone.get_submodule(part)
    module.register_forward_hook(lambda module, args, output: 2 * output)
    assert_equals_brute_force(model, batch, ['backbone.block', 'head'])


def test_nothing_stays_installed_also_after_an_error():
    model, batch = tiny_model(), tiny_batch([0, 1, 0])
    wrapper = build_wrapper(model, perturb='')

    def traces():
        return [
            (name, 'forward' in vars(module), len(module._forward_hooks))
            for name, module in model.named_modules()
        ]

    before = traces()
    model.train_step(batch, wrapper)
    assert traces() == before
    broken = dict(inputs=batch['inputs'][:, :1], data_samples=batch['data_samples'])
    with pytest.raises(RuntimeError):
        model.train_step(broken, wrapper)
    assert traces() == before
    model.train_step(batch, wrapper)


def test_stateful_loss_counts_a_batch_once():
    model = tiny_model()
    model.head.loss_module = MODELS.build(dict(type='SeesawLoss', num_classes=5))
    model.train_step(tiny_batch([0, 0, 1, 4]), build_wrapper(model, perturb=''))
    assert model.head.loss_module.cum_samples.tolist() == [2, 1, 0, 0, 1]


def test_unused_parameters_are_left_alone():
    model, batch = tiny_model(), tiny_batch([0, 1, 0])
    model.backbone.register_parameter('unused', nn.Parameter(torch.ones(2)))
    model.double()
    updates = sgd_updates(model, batch, build_wrapper(model, perturb='backbone.conv'))
    assert (updates['backbone.unused'] == 0).all()


@pytest.mark.parametrize('perturb', ['', ['backbone.block', 'head']])
def test_fixed_radius_and_random_direction(perturb):
    model, batch = build_model(dict(type='NoBatchNorm')), tiny_batch([0, 1, 0])
    assert_equals_brute_force(model, batch, perturb, radius=0.5)
    wrapper = build_wrapper(model, perturb=perturb, direction='random', radius=0.5)
    first, second = (model.train_step(batch, wrapper)['loss'] for _ in range(2))
    assert first != second and torch.isfinite(first + second)


def test_checkpointing_in_the_perturbed_part_is_refused():
    model = build_model(
        dict(type='CIFARResNet', depth=8), dict(in_channels=64), neck=GAP
    )
    model.backbone.layer3[0].with_cp = True
    wrapper = build_wrapper(model, perturb=['backbone.layer3', 'head'])
    with pytest.raises(NotImplementedError, match='backbone.layer3.0.*checkpointing'):
        wrapper.initialize_count_status(model, 0, 10)
    # In the trunk it changes nothing.
    wrapper = build_wrapper(model, perturb='head')
    wrapper.initialize_count_status(model, 0, 10)


def test_batch_norm_inside_a_unit_is_refused():
    model = tiny_model()
    model.backbone.token = nn.Parameter(torch.zeros(1))
    with pytest.raises(NotImplementedError, match="'backbone.norm' inside"):
        build_wrapper(model, perturb='').initialize_count_status(model, 0, 10)
    wrapper = build_wrapper(model, perturb=['backbone.conv', 'backbone.norm'])
    wrapper.initialize_count_status(model, 0, 10)


def test_module_that_does_not_run_is_refused():
    model, batch = tiny_model(), tiny_batch([0, 1, 0])
    model.backbone.extra = nn.Linear(2, 2).double()
    with pytest.raises(RuntimeError, match="'backbone.extra' did not run"):
        model.train_step(batch, build_wrapper(model, perturb='backbone'))


@MODELS.register_module()
class InPlaceSkip(BaseModule):
    """Adds to the output of a module that may be recorded."""

    def __init__(self):
        super().__init__()
        self.stem, self.side = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.block = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        skip, x = self.stem(x), self.side(x)
        skip += self.block(x)
        return (skip.tanh().mean(dim=(2, 3)),)


@MODELS.register_module()
class InPlaceTrunk(InPlaceSkip):
    """Changes the output of a module before the perturbed part begins."""

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        x = self.stem(x)
        x += 1
        return (self.block(x).tanh().mean(dim=(2, 3)),)


def test_output_changed_in_place_by_the_perturbed_part_is_refused():
    model, batch = build_model(dict(type='InPlaceSkip')), tiny_batch([0, 1, 0])
    with pytest.raises(RuntimeError, match='in place'):
        model.train_step(batch, build_wrapper(model, perturb='backbone.block'))
    assert_equals_brute_force(model, batch, ['backbone.stem', 'backbone.block'])


def test_output_changed_in_place_before_the_perturbed_part_is_refused():
    model, batch = build_model(dict(type='InPlaceTrunk')), tiny_batch([0, 1, 0])
    with pytest.raises(RuntimeError, match='in place'):
        model.train_step(batch, build_wrapper(model, perturb='backbone.block'))
    assert_equals_brute_force(model, batch, ['backbone.stem', 'backbone.block'])


@pytest.mark.parametrize(
    'perturb, prefix',
    [
        ('', ('',)),
        # By whichever name: shared weights are perturbed wherever they are used.
        ('backbone.first', ('backbone.first',)),
        ('backbone.second', ('backbone.first.weight', 'backbone.second')),
        ('head', ('backbone.third.weight', 'head')),
    ],
)
def test_tied_parameters(perturb, prefix):
    class Tied(BaseModule):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
            self.third = nn.Linear(3, 5)
            self.second.weight = self.first.weight

        def forward(self, x):
            x = self.second(self.first(x).tanh()).mean(dim=(2, 3))
            return (self.third(x).tanh()[:, :3] + x,)

    model = tiny_model(head=dict(type='LinearClsHead'))
    model.backbone = Tied().double()
    model.head.fc = nn.Linear(3, 5).double()
    model.head.fc.weight = model.backbone.third.weight
    batch = tiny_batch([0, 2, 0, 1])
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, prefix=prefix
    )
    actual = sgd_updates(model, batch, build_wrapper(model, perturb=perturb))
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize(
    'reparametrise', [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm]
)
@pytest.mark.parametrize('perturb', ['head', ['backbone.block', 'head']])
@pytest.mark.filterwarnings('ignore:.*weight_norm')
def test_weight_norm(reparametrise, bias, perturb):
    model, batch = build_model(dict(type='NoBatchNorm')), tiny_batch([0, 2, 0, 1])
    model.backbone.block[0] = reparametrise(model.backbone.block[0])
    model.head.fc = reparametrise(nn.Linear(4, 5, bias=bias).double())
    # Else the old weight_norm cannot be copied.
    model.eval().requires_grad_(False)
    model(batch['inputs'])
    model.train().requires_grad_(True)
    assert_equals_brute_force(model, batch, perturb)


@MODELS.register_module()
class ScaledHead(ClsHead):
    """A scalar of its own, and a tuple of features as its argument."""

    def __init__(self, num_classes, in_channels, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.fc = nn.Linear(in_channels, num_classes)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, feats):
        """Scaled logits, ``(N, K)``."""
        return self.scale * self.fc(feats[-1])


@pytest.mark.parametrize('perturb', ['head', ['neck', 'head']])
def test_head_and_neck_with_parameters_of_their_own(perturb):
    model = build_model(
        dict(type='LeNet5'),
        dict(type='ScaledHead', in_channels=120),
        neck=dict(type='GeneralizedMeanPooling', p_trainable=True),
    )
    model.neck.p.data.fill_(2.0)
    batch = tiny_batch([0, 2, 0, 1])
    batch['inputs'] = torch.randn(4, 1, 32, 32, dtype=torch.float64)
    assert_equals_brute_force(model, batch, perturb, rho_scale=0.1)


@MODELS.register_module()
class Attention(BaseModule):
    """Torch's attention over tokens."""

    def __init__(self, batch_first):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=3)
        self.attn = nn.MultiheadAttention(4, 2, batch_first=batch_first)

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = x if self.attn.batch_first else x.transpose(0, 1)
        x = self.attn(query=x, key=x, value=x)[0]
        return (x.mean(dim=1 if self.attn.batch_first else 0),)


def test_attention_of_which_the_rows_are_tokens_is_refused():
    batch = tiny_batch([0, 1, 0, 1])  # as many images as tokens
    model = build_model(dict(type='Attention', batch_first=True))
    assert_equals_brute_force(model, batch, ['backbone.attn', 'head'])
    model = build_model(dict(type='Attention', batch_first=False))
    wrapper = build_wrapper(model, perturb=['backbone.attn', 'head'])
    with pytest.raises(NotImplementedError, match="'backbone.attn'.*batch_first=True"):
        wrapper.initialize_count_status(model, 0, 10)


@pytest.mark.parametrize('perturb', ['head', ''])
def test_buffers_that_a_forward_replaces_move_once(perturb):
    model, batch = tiny_model(), tiny_batch([0, 1, 0])
    loss = model.head.loss_module
    loss.register_buffer('batches', torch.zeros(()))
    own_forward = loss.forward

    def forward(*args, **kwargs):
        loss.batches = loss.batches + 1
        return own_forward(*args, **kwargs)

    loss.forward = forward
    model.train_step(batch, build_wrapper(model, perturb=perturb))
    assert loss.batches == 1


def test_other_models_are_refused():
    class Regressor(BaseModule):
        def forward(self, images, mode):
            """Nothing that a classifier has."""

    wrapper = build_wrapper(tiny_model())
    with pytest.raises(TypeError, match='Regressor is not: use .*SAMOptimWrapper'):
        wrapper.initialize_count_status(Regressor(), 0, 10)
