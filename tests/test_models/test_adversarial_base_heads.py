# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Stage 2 on heads that end in a linear layer, and on those that do not."""

import copy
import io
import logging
import pickle
from collections import OrderedDict

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpretrain.models.heads import ClsHead, LinearClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

import ccsam_mm  # noqa: F401
from ccsam_mm.models.classifiers import DecoupledClassifier
from ccsam_mm.models.heads import AdversarialFeatureHead, AdversarialFeatureMixin


class OwnHead(ClsHead):
    """A head of somebody else, whose ``pre_logits`` are not the last features."""

    def __init__(self, num_classes, in_channels, **kwargs):
        super().__init__(**kwargs)
        self.first = nn.Linear(in_channels, 6)
        self.last = nn.Linear(6, num_classes)

    def forward(self, feats):
        return self.last(self.first(self.pre_logits(feats)).tanh())


# Head, its arguments, how stage 2 names it, and its last layer.
HEADS = dict(
    mobilenet_v3=(
        dict(
            type='StackedLinearClsHead',
            mid_channels=[6],
            dropout_rate=0.2,
            act_cfg=dict(type='HSwish'),
            init_cfg=dict(type='Normal', layer='Linear', std=0.01),
            topk=(1, 2),
        ),
        {},
        'layers.1.fc',
    ),
    vit=(
        dict(type='VisionTransformerClsHead', hidden_dim=3),  # as many as classes
        {},
        'layers.head',
    ),
    vig=(
        dict(type='VigClsHead', hidden_dim=6, act_cfg=dict(type='GELU'), dropout=0.1),
        {},
        'fc2',
    ),
    efficientformer=(
        dict(type='EfficientFormerClsHead', distillation=False),
        dict(base_head='EfficientFormerClsHead'),
        'head',
    ),
    levit=(
        dict(type='LeViTClsHead', distillation=False),
        dict(base_head='LeViTClsHead'),
        'head.linear',
    ),
    own=(dict(type=OwnHead), dict(base_head=OwnHead), 'last'),
)


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """A fresh message hub, as each runner makes one."""
    monkeypatch.setattr(MessageHub, '_instance_dict', OrderedDict())
    return MessageHub.get_instance('test')


def build(name, **kwargs):
    """Heads of stage 1 and of stage 2, whose config replaces the type alone."""
    first, second, _ = copy.deepcopy(HEADS[name])
    base = Config(dict(head=dict(first, num_classes=3, in_channels=4)))
    stage1 = MODELS.build(base.head)
    base.merge_from_dict(
        dict(head=dict(type='AdversarialFeatureHead', **second, **kwargs))
    )
    return stage1, MODELS.build(base.head)


def samples(labels=(0, 1, 2, 0, 1)):
    return [DataSample().set_gt_label(label) for label in labels]


def randomise(head):
    torch.manual_seed(3)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head.double()


def naive(head, last, feats, labels, step, weight):
    """Eq. 12-14 for one image at a time, by the head's own forward; the loss."""
    inputs = []
    layer = head.get_submodule(last)
    handle = layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    head.forward((feats,))
    handle.remove()
    total = 0
    for z, label in zip(inputs[0], labels):
        moving = z.detach().requires_grad_()
        scores = layer.weight @ moving + layer.bias
        (grad,) = torch.autograd.grad(-scores.log_softmax(0)[label], moving)
        moved = z + step * grad / grad.square().sum().sqrt()
        for part, point in ((1 - weight, z), (weight, moved)):
            scores = layer.weight @ point + layer.bias
            total = total - part * scores.log_softmax(0)[label] / len(labels)
    return total


@pytest.mark.parametrize('name', HEADS)
def test_losses_and_gradients_equal_naive_loop(name):
    """Oracle: autograd through one image at a time, float64; 1e-10 relative."""
    stage1, head = build(name, adv_step=0.7, max_adv_weight=0.4)
    randomise(head).train()
    for module in head.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout1d)):
            module.p = 0.0
    labels, feats = [0, 1, 2, 0, 1], torch.randn(5, 4).double()
    expected = copy.deepcopy(head)
    value = naive(expected, HEADS[name][2], feats, labels, 0.7, 0.4)
    value.backward()

    feats.requires_grad_()
    losses = head.loss((feats,), samples())
    loss = losses['loss_clean'] + losses['loss_adv']
    loss.backward()
    assert loss.item() == pytest.approx(value.item(), rel=1e-10)
    assert feats.grad is None
    for (key, got), want in zip(head.named_parameters(), expected.parameters()):
        assert want.grad.abs().sum() > 0, key
        torch.testing.assert_close(got.grad, want.grad, rtol=1e-10, atol=1e-12)
    for got, want in zip(head.buffers(), expected.buffers()):
        torch.testing.assert_close(got, want)  # batch norm has seen the batch once
    assert isinstance(head, (type(stage1), AdversarialFeatureMixin))


def test_dropout_is_drawn_once():
    """Both terms see the same features; a frozen layer before them stays frozen."""
    head = randomise(build('mobilenet_v3', max_adv_weight=0.5)[1]).train()
    head.layers[0].requires_grad_(False)
    feats = torch.randn(5, 4).double()
    torch.manual_seed(0)
    z = head.pre_logits((feats,))
    after = torch.rand(1)
    torch.manual_seed(0)
    losses = head.loss((feats,), samples())
    assert torch.rand(1) == after
    assert (z == 0).any()
    labels = torch.tensor([0, 1, 2, 0, 1])
    clean = nn.functional.cross_entropy(head.fc(z), labels)
    assert losses['loss_clean'].item() == pytest.approx(clean.item() / 2, rel=1e-10)
    (losses['loss_clean'] + losses['loss_adv']).backward()
    assert head.layers[0].fc.weight.grad is None
    assert head.layers[1].fc.weight.grad.abs().sum() > 0


class Model(nn.Module):
    """What a checkpoint is loaded into: a trunk and a head."""

    def __init__(self, head):
        super().__init__()
        self.backbone = nn.Linear(2, 4)
        self.head = head


def load(head, other, tmp_path):
    """Load a checkpoint as MMEngine does; returns what it says."""
    path = str(tmp_path / 'other.pth')
    save_checkpoint(dict(meta={}, state_dict=Model(other).state_dict()), path)
    said = io.StringIO()
    logger = logging.Logger('load')
    logger.addHandler(logging.StreamHandler(said))
    load_checkpoint(Model(head), path, logger=logger)
    return said.getvalue()


@pytest.mark.parametrize('name', HEADS)
def test_checkpoints_of_stage_1_load_completely(tmp_path, name):
    stage1, head = build(name)
    stage1.init_weights()
    assert 'do not match' not in load(head, stage1, tmp_path)
    head.load_state_dict(stage1.state_dict(), strict=True)
    for key, value in stage1.state_dict().items():
        assert torch.equal(head.state_dict()[key], value)
    feats = (torch.randn(3, 4),)
    assert torch.equal(head.eval()(feats), stage1.eval()(feats))


@pytest.mark.parametrize('name', ['mobilenet_v3', 'vit'])
def test_reset_classifier_starts_the_last_layer_alone_afresh(tmp_path, name):
    stage1, head = build(name, reset_classifier=True)
    randomise(stage1)
    own = {key: value.clone() for key, value in head.state_dict().items()}
    assert 'do not match' not in load(head, stage1, tmp_path)
    for key, value in stage1.float().state_dict().items():
        expected = own[key] if key.startswith(HEADS[name][2]) else value
        torch.testing.assert_close(head.state_dict()[key], expected)


@pytest.mark.parametrize('kind', ['VisionTransformerClsHead', 'EfficientFormerClsHead'])
def test_linear_heads_of_other_names_load(tmp_path, kind):
    """A vision transformer without a hidden layer; nothing in its config tells."""
    more = dict(distillation=False) if kind.startswith('Eff') else {}
    stage1 = MODELS.build(dict(type=kind, num_classes=3, in_channels=4, **more))
    randomise(stage1).float()
    head = AdversarialFeatureHead(3, 4)
    assert 'do not match' not in load(head, stage1, tmp_path)
    feats = (torch.randn(2, 4),)
    assert torch.equal(head(feats), stage1.eval()(feats))


def test_another_head_gets_a_warning(tmp_path, caplog, monkeypatch):
    """Neither names nor shapes fit; a checkpoint without any head says nothing."""
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'handlers', [caplog.handler])
    load(AdversarialFeatureHead(3, 4), LinearClsHead(3, 4), tmp_path)
    load(AdversarialFeatureHead(3, 4), nn.Identity(), tmp_path)
    assert 'base_head' not in caplog.text
    stage1, head = build('vit')
    load(AdversarialFeatureHead(3, 4), stage1, tmp_path)
    assert "another head than AdversarialFeatureHead ('head.layers" in caplog.text
    assert (
        "no 'head.fc.weight'" in caplog.text and 'model.head.base_head' in caplog.text
    )


@pytest.mark.parametrize('name', HEADS)
def test_copies_and_pickles(name):
    head = build(name)[1].eval()
    feats = (torch.randn(2, 4),)
    for again in (copy.deepcopy(head), pickle.loads(pickle.dumps(head))):
        assert type(again) is type(head)
        assert torch.equal(again(feats), head(feats))
        assert again.last_linear is not head.last_linear


class ScaledHead(LinearClsHead):
    """Changes the scores in place, so that the tensor is still the layer's."""

    def forward(self, feats):
        return super().forward(feats).div_(0.2)


class OwnLossHead(LinearClsHead):
    def loss(self, feats, data_samples, **kwargs):
        return {}


class NoLinearHead(LinearClsHead):
    """A convolution gives the scores."""

    def __init__(self, num_classes, in_channels, **kwargs):
        super().__init__(num_classes, in_channels, **kwargs)
        self.fc = nn.Conv2d(in_channels, num_classes, 1)


TWO = (torch.randn(5, 4), torch.randn(5, 4))


@pytest.mark.parametrize(
    'cfg, feats, message',
    [
        (dict(base_head='DeiTClsHead'), TWO, r'Head\[DeiTClsHead\] are not the output'),
        (
            dict(base_head='DeiTClsHead', hidden_dim=8),
            TWO,
            "keep the type of stage 1's head",
        ),
        ({}, TWO, 'gets a tuple of 2: set model.head.base_head'),
        ({}, torch.randn(5, 4, 2, 2), r'\(5, 4, 2, 2\): set model.neck.*GlobalAverage'),
        (dict(base_head='EfficientFormerClsHead'), None, 'averages several layers'),
        (dict(base_head=ScaledHead), None, 'or scales them'),
    ],
)
def test_other_heads_are_refused_in_the_first_step(cfg, feats, message):
    cfg = dict(cfg, type='AdversarialFeatureHead', num_classes=3, in_channels=4)
    head = MODELS.build(cfg)
    feats = torch.randn(5, 4) if feats is None else feats
    with pytest.raises(ValueError, match=message):
        head.loss((feats,), samples())


@pytest.mark.parametrize(
    'cfg, error, message',
    [
        (dict(adv_stp=1), TypeError, "no argument 'adv_stp', did you mean 'adv_step'"),
        (dict(distillation=False), TypeError, "'distillation'.*model.head.base_head"),
        (dict(base_head='Nowhere'), ValueError, "base_head='Nowhere' is not a reg"),
        (dict(base_head='MAEPretrainHead'), ValueError, "derive from MMPretrain's Cls"),
        (dict(base_head='MultiTaskHead'), ValueError, "derive from MMPretrain's Cls"),
        (
            dict(base_head='ConformerHead'),
            ValueError,
            'ConformerHead has a loss of its',
        ),
        (dict(base_head='ArcFaceClsHead'), ValueError, 'ArcFaceClsHead has a loss of'),
        (dict(base_head=OwnLossHead), ValueError, 'OwnLossHead has a loss of its'),
        (dict(base_head='ClsHead'), ValueError, 'set it to the class of stage'),
        (dict(base_head=NoLinearHead), ValueError, 'no linear layer with model.head'),
    ],
)
def test_other_heads_are_refused_when_they_are_built(cfg, error, message):
    cfg = dict(cfg, type='AdversarialFeatureHead', num_classes=3, in_channels=4)
    with pytest.raises(error, match=message):
        MODELS.build(cfg)


def stage2(backbone, neck, head, **kwargs):
    model = DecoupledClassifier(
        backbone=backbone,
        neck=neck,
        head=dict(head, type='AdversarialFeatureHead', num_classes=3),
        data_preprocessor=dict(mean=[0, 0, 0], std=[1, 1, 1]),
        **kwargs,
    )
    model.init_weights()
    return model


def changed_by_a_step(model):
    """Names of what a training step of the whole model changes."""
    torch.manual_seed(0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1, weight_decay=0.1)
    data = dict(inputs=torch.randn(5, 3, 32, 32), data_samples=samples())
    model.train().train_step(data, OptimWrapper(optimizer))
    after = model.state_dict()
    return {key for key in before if not torch.equal(before[key], after[key])}


VIT = dict(
    arch=dict(embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=8),
    img_size=32,
    patch_size=16,
)
MOBILENET = (
    dict(type='MobileNetV3', arch='small'),
    dict(type='GlobalAveragePooling'),
    dict(in_channels=576, mid_channels=[8], act_cfg=dict(type='HSwish')),
)


def test_whole_models_train_the_head_alone():
    model = stage2(*MOBILENET)
    assert {key.rpartition('.')[0] for key in changed_by_a_step(model)} == {
        'head.layers.0.fc',
        'head.layers.1.fc',
    }
    model = stage2(*MOBILENET, frozen=('backbone', 'neck', 'head.layers.0'))
    assert changed_by_a_step(model) == {
        'head.layers.1.fc.weight',
        'head.layers.1.fc.bias',
    }
    model = stage2(
        dict(VIT, type='VisionTransformer'),
        None,
        dict(in_channels=8, hidden_dim=6, init_cfg=None),
    )
    assert 'head.layers.pre_logits.weight' in changed_by_a_step(model)


def test_distilled_transformer_is_one_sentence():
    trunk = dict(VIT, type='DistilledVisionTransformer')
    model = stage2(trunk, None, dict(in_channels=8))
    with pytest.raises(ValueError, match='a tuple of 2: set .*or keep its type'):
        changed_by_a_step(model)
