# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What the second pass repeats, in float64 against a copy of the network per class."""

import copy

import numpy as np
import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from mmengine.model import BaseModule
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from routed_brute_force import (
    assert_equals_brute_force,
    build_model,
    with_buffers_of_now,
)
from tiny_network import tiny_batch, tiny_model
from torch import nn
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

from ccsam_mm.engine.passes.random_state import RandomState

LABELS = [0, 2, 0, 1, 4, 2]


class Backbone(BaseModule):
    """A stem, a block, and what a test puts between them."""

    def __init__(self, act=None):
        super().__init__()
        self.act = act or nn.Tanh()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), self.act)
        self.block = nn.Conv2d(4, 4, 3)

    def pool(self, x):
        """Features of shape ``(N, 4)``."""
        return (x.tanh().mean(dim=(2, 3)),)


@MODELS.register_module()
class SharedActivation(Backbone):
    """One activation in the trunk, inside a recorded module, and in the block."""

    def __init__(self):
        super().__init__(nn.Sigmoid())
        self.second = nn.Sequential(self.block, self.act)

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        return self.pool(self.second(self.act(self.stem(self.act(x)))))


@MODELS.register_module()
class DirectCalls(Backbone):
    """Calls a module, and its forward past the hooks."""

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        x = self.act.forward(self.stem[0](x))
        return self.pool(self.block(self.act(x + 1)))


@pytest.mark.parametrize('backbone', ['SharedActivation', 'DirectCalls'])
@pytest.mark.parametrize('perturb', ['backbone.block', ['backbone.block', 'head']])
def test_shared_module_gets_its_own_outputs(backbone, perturb):
    model = build_model(dict(type=backbone))
    assert assert_equals_brute_force(model, tiny_batch(LABELS), perturb) > 1e-4


@pytest.mark.parametrize(
    'perturb', ['backbone.stages.1', ['backbone.stages.0', 'head']]
)
def test_conv_mixer(perturb):
    """Its only activation is a part of the stem and of all blocks."""
    arch = dict(embed_dims=4, depth=2, patch_size=2, kernel_size=3)
    model = build_model(
        dict(type='ConvMixer', arch=arch, norm_cfg=dict(type='GN', num_groups=2)),
        neck=dict(type='GlobalAveragePooling'),
    )
    assert assert_equals_brute_force(model, tiny_batch(LABELS), perturb) > 1e-4


@MODELS.register_module()
class SharedArgument(Backbone):
    """The block gets the images and a tensor for all of them, in either order."""

    class Biased(nn.Module):
        def __init__(self, first):
            super().__init__()
            self.weight, self.first = nn.Parameter(torch.ones(6, 4)), first

        def forward(self, *args, extra=None):
            x, bias = reversed(args) if self.first else args
            x = x + (self.weight * bias).sum(dim=0)
            return x if extra is None else x + extra['bias'].sum(dim=0)

    def __init__(self, first=False, extra=False):
        super().__init__()
        self.block, self.extra = self.Biased(first), extra
        self.table = nn.Parameter(torch.ones(6, 4))

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        x = self.stem(x).mean(dim=(2, 3))
        args = [x, self.table.tanh()]  # as many rows as images
        args = reversed(args) if self.block.first else args
        extra = dict(bias=self.table.sin(), images=x) if self.extra else None
        return (self.block(*args, extra=extra).tanh(),)


@pytest.mark.parametrize('first', [True, False])
@pytest.mark.parametrize('extra', [True, False])
@pytest.mark.parametrize('labels', [LABELS, LABELS[:2], LABELS * 2])
def test_argument_that_all_images_share(first, extra, labels):
    model = build_model(dict(type='SharedArgument', first=first, extra=extra))
    perturb = ['backbone.block', 'head']
    assert assert_equals_brute_force(model, tiny_batch(labels), perturb) > 1e-4


def test_bias_of_beit_with_as_many_heads_as_images():
    arch = dict(embed_dims=12, num_layers=2, num_heads=6, feedforward_channels=8)
    model = build_model(
        dict(
            type='BEiTViT',
            arch=arch,
            img_size=6,
            patch_size=3,
            use_abs_pos_emb=False,
            use_rel_pos_bias=False,
            use_shared_rel_pos_bias=True,
            out_type='avg_featmap',
        ),
        dict(in_channels=12),
    )
    batch = tiny_batch(LABELS)
    perturb = ['backbone.layers.1', 'head']
    assert assert_equals_brute_force(model, batch, perturb) > 1e-4


@MODELS.register_module()
class MovingBuffers(Backbone):
    """The block keeps statistics that a forward moves."""

    def __init__(self, kind):
        super().__init__()
        norm = nn.Identity()
        if kind == 'spectral':
            self.block = nn.utils.parametrizations.spectral_norm(self.block)
        elif kind == 'old spectral':
            self.block = nn.utils.spectral_norm(self.block)
        else:
            norm = nn.InstanceNorm2d(4, affine=True, track_running_stats=True, eps=0.1)
        self.norm = norm

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        return self.pool(self.norm(self.block(self.stem(x))))


@pytest.mark.parametrize('kind', ['spectral', 'old spectral', 'instance'])
@pytest.mark.parametrize('perturb', ['backbone', ['backbone.norm', 'head']])
def test_modules_called_per_class_move_their_buffers_once(kind, perturb):
    if kind != 'instance' and perturb != 'backbone':
        perturb = ['backbone.block', 'head']
    model, batch = (
        build_model(dict(type='MovingBuffers', kind=kind)),
        tiny_batch(LABELS),
    )
    plain = copy.deepcopy(model)
    sgd = build_optim_wrapper(plain, dict(optimizer=dict(type='SGD', lr=1.0)))
    expected = sgd_updates(plain, batch, sgd)
    wrapper = build_wrapper(model, perturb=perturb, rho_scale=0)
    updates = sgd_updates(model, batch, wrapper)
    assert relative_difference(updates, expected) < 1e-9
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(model.get_buffer(name), buffer)


def test_perturbation_starts_from_the_buffers_of_the_clean_pass():
    """A copy of the network per class; power iteration starts where it did before."""
    batch = tiny_batch(LABELS)
    model = build_model(dict(type='MovingBuffers', kind='spectral'))
    oracle = with_buffers_of_now(model)
    expected = brute_force_gradients(
        oracle, batch, cross_entropy, COUNTS, prefix='backbone'
    )
    wrapper = build_wrapper(model, perturb='backbone')
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_hooks_of_a_module_called_per_class_act_once():
    model = build_model(dict(type='MovingBuffers', kind='instance'))
    batch = tiny_batch(LABELS)
    for part in (model.backbone.norm, model.backbone.block):
        part.register_forward_pre_hook(lambda module, args: (3 * args[0],))
        part.register_forward_hook(lambda module, args, output: 2 * output)
    assert_equals_brute_force(model, batch, 'backbone')


class OwnBatchNorm(nn.Module):
    """Couples images, and is no batch norm of torch."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return self.weight * (x - x.mean(0)) / x.std(0)


class OwnNoise(nn.Module):
    """Draws from a generator that nobody else knows."""

    def __init__(self):
        super().__init__()
        self.generator = np.random.default_rng(0)

    def forward(self, x):
        return x * (1 + self.generator.random())


class Counter(nn.Module):
    """Keeps the number of its images."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer('images', torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.images += len(x)
        return self.weight * x


@pytest.mark.parametrize(
    'module, perturb, sentence',
    [
        (OwnBatchNorm, 'backbone', r"'backbone.norm' \(OwnBatchNorm\).*leave it out"),
        (OwnNoise, 'backbone.block', "'loss' of one batch is .* global generators"),
        (Counter, 'backbone', "'backbone.norm.images' of a Counter.*leave"),
    ],
)
@pytest.mark.parametrize('first', [LABELS, [1, 1, 1]])
def test_safety_net(module, perturb, sentence, first):
    model = build_model(dict(type='MovingBuffers', kind='spectral'))
    model.backbone.norm = module().double()
    wrapper = build_wrapper(model, perturb=perturb)
    with pytest.raises(RuntimeError, match=sentence):
        # A batch of one class does not show what classes do to each other.
        model.train_step(tiny_batch(first), wrapper)
        model.train_step(tiny_batch(LABELS), wrapper)
    if module is not OwnNoise:
        wrapper = build_wrapper(model, perturb=['backbone.block', 'head'])
        model.train_step(tiny_batch(LABELS), wrapper)


def test_images_along_another_dimension_are_refused():
    class SequenceFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return self.weight * x

    class Swapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = SequenceFirst()

        def forward(self, x):
            x = x.flatten(2).permute(2, 0, 1)  # 4 tokens first
            return self.inner(x).permute(1, 2, 0)[..., None]

    model = build_model(dict(type='MovingBuffers', kind='spectral'))
    model.backbone.norm = Swapped().double()
    wrapper = build_wrapper(model, perturb=['backbone.norm', 'head'])
    with pytest.raises(RuntimeError, match="'backbone.norm.inner'.*dimension 1"):
        model.train_step(tiny_batch([0, 0, 1, 2]), wrapper)


@pytest.mark.parametrize('factor', [5, 0.2])
@pytest.mark.parametrize('perturb', ['head', ''])
def test_head_that_changes_its_scores_in_place(factor, perturb):
    class InPlace(MODELS.get('LinearClsHead')):
        def forward(self, feats):
            return self.fc(self.pre_logits(feats)).mul_(factor)

    model, batch = tiny_model(), tiny_batch(LABELS)
    if perturb == '':
        model.backbone.norm = nn.Identity()
    model.head.__class__ = InPlace
    assert assert_equals_brute_force(model, batch, perturb) > 1e-4


def dropout_head(model):
    class Dropout(MODELS.get('LinearClsHead')):
        def forward(self, feats):
            scores = self.fc(nn.functional.dropout(self.pre_logits(feats), 0.5))
            return nn.functional.dropout(scores, 0.5)

    model.head.__class__ = Dropout
    return model


def test_dropout_after_the_classifier_is_the_same_in_both_passes():
    model, batch = dropout_head(tiny_model()), tiny_batch(LABELS)
    oracle = copy.deepcopy(model)

    class Seeded(type(oracle)):
        def forward(self, *args, **kwargs):
            torch.manual_seed(3)
            return super().forward(*args, **kwargs)

    oracle.__class__ = Seeded
    expected = brute_force_gradients(oracle, batch, cross_entropy, COUNTS)
    torch.manual_seed(3)
    updates = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(updates, expected) < 1e-9


@pytest.mark.parametrize('perturb', ['head', ['backbone.conv', 'head']])
def test_random_numbers_go_on_as_with_sgd(perturb):
    model, batch = dropout_head(tiny_model()), tiny_batch(LABELS)
    plain = copy.deepcopy(model)
    sgd = build_optim_wrapper(plain, dict(optimizer=dict(type='SGD', lr=1.0)))
    wrapper = build_wrapper(model, perturb=perturb)
    for _ in range(2):
        torch.manual_seed(3)
        plain.train_step(batch, sgd)
        expected = RandomState([])
        torch.manual_seed(3)
        model.train_step(batch, wrapper)
        assert RandomState([]).equals(expected)


@pytest.mark.parametrize('perturb', ['head', 'backbone.conv'])
def test_random_directions_differ_from_step_to_step(perturb):
    model, batch = tiny_model(), tiny_batch(LABELS)
    wrapper = build_wrapper(model, perturb=perturb, direction='random')
    start, losses = copy.deepcopy(model.state_dict()), []
    for _ in range(2):
        model.load_state_dict(start)
        losses.append(model.train_step(batch, wrapper)['loss'])
    assert losses[0] != losses[1]
