# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import save_checkpoint
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

import ccsam_mm  # noqa: F401
from ccsam_mm.models.classifiers import DecoupledClassifier

TRUNKS = {
    'resnet': (
        dict(type='ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
        dict(type='GlobalAveragePooling'),
        64,
    ),
    'cifar': (
        dict(type='CIFARResNet', depth=8, frozen_stages=0),
        dict(type='GlobalAveragePooling'),
        64,
    ),
    'vit': (
        dict(
            type='VisionTransformer',
            arch=dict(
                embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=16
            ),
            img_size=32,
            patch_size=16,
            drop_rate=0.5,
            drop_path_rate=0.5,
        ),
        None,
        16,
    ),
    'swin': (
        dict(
            type='SwinTransformer',
            arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2]),
            img_size=32,
            window_size=4,
            out_indices=(1,),
            drop_path_rate=0.5,
        ),
        dict(type='GlobalAveragePooling'),
        16,
    ),
    'convnext': (
        dict(
            type='ConvNeXt',
            arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 8, 8]),
            drop_path_rate=0.5,
        ),
        None,
        8,
    ),
}


def make_model(trunk='cifar', init_cfg=None, head='AdversarialFeatureHead', **kwargs):
    backbone, neck, channels = copy.deepcopy(TRUNKS[trunk])
    model = DecoupledClassifier(
        backbone=dict(backbone, init_cfg=init_cfg) if init_cfg else backbone,
        neck=neck,
        head=dict(type=head, num_classes=3, in_channels=channels),
        data_preprocessor=dict(mean=[0, 0, 0], std=[1, 1, 1]),
        **kwargs,
    )
    model.init_weights()
    return model


def train_steps(model, num_steps=2):
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1
    )
    for _ in range(num_steps):
        model.train()
        data = dict(
            inputs=torch.randn(4, 3, 32, 32),
            data_samples=[DataSample().set_gt_label(i % 3) for i in range(4)],
        )
        model.train_step(data, OptimWrapper(optimizer))


def changed(before, model):
    after = model.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize('trunk', TRUNKS)
def test_training_leaves_the_frozen_part_alone(trunk):
    """Any backbone: weights and buffers bit for bit, no graph, evaluation mode."""
    torch.manual_seed(0)
    model = make_model(trunk)
    before = snapshot(model)
    train_steps(model)
    assert changed(before, model) == {'head.fc.weight', 'head.fc.bias'}
    assert not any(m.training for m in model.backbone.modules())
    assert model.training and model.head.training
    images = torch.randn(2, 3, 32, 32)
    first, second = model.extract_feat(images)[-1], model.extract_feat(images)[-1]
    assert first.grad_fn is None
    assert torch.equal(first, second)  # no dropout, no stochastic depth


def test_moving_statistics_move_and_nothing_else():
    torch.manual_seed(0)
    model = make_model('resnet', moving_statistics=True)
    before = snapshot(model)
    train_steps(model)
    moving = {n for n in before if 'running_' in n or 'num_batches' in n}
    assert changed(before, model) == moving | {'head.fc.weight', 'head.fc.bias'}
    model.eval()
    assert not any(m.training for m in model.modules())


def test_moving_statistics_leave_dropout_still():
    model = make_model('vit', moving_statistics=True).train()
    assert not any(m.training for m in model.backbone.modules())


def test_frozen_from_the_start_and_with_dotted_names():
    frozen = ['backbone.layer1', 'backbone.bn1']
    model = make_model(frozen=frozen, head='LinearClsHead')
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    expected = {n for n in frozen if n.startswith('backbone.conv1')}  # frozen_stages=0
    for name, _ in model.named_parameters():
        if name.startswith(('backbone.layer1.', 'backbone.bn1.')):
            expected.add(name)
    assert frozen == expected
    model.train()
    assert not model.backbone.layer1[0].bn1.training
    assert model.backbone.layer2[0].bn1.training
    before = snapshot(model)
    train_steps(model)
    assert not any('layer1' in name for name in changed(before, model))
    assert 'backbone.layer2.0.conv1.weight' in changed(before, model)


def test_frozen_part_may_be_pretrained(tmp_path):
    source = make_model()
    for param in source.backbone.parameters():
        nn.init.normal_(param)
    path = str(tmp_path / 'backbone.pth')
    save_checkpoint(dict(state_dict=source.backbone.state_dict()), path)
    model = make_model(init_cfg=dict(type='Pretrained', checkpoint=path))
    for name, param in model.backbone.named_parameters():
        assert torch.equal(param, source.backbone.state_dict()[name])
        assert not param.requires_grad


def test_frozen_copies_itself_and_predicts():
    model = copy.deepcopy(make_model()).train()
    assert not model.backbone.training
    predictions = model.eval()(torch.rand(2, 3, 32, 32), mode='predict')
    assert predictions[0].pred_score.sum().item() == pytest.approx(1)


def test_nothing_frozen_is_an_image_classifier():
    model = make_model('resnet', frozen=())
    assert all(p.requires_grad for p in model.parameters())
    assert all(m.training for m in model.train().modules())


@pytest.mark.parametrize(
    'frozen, message',
    [
        ('trunk', r"'trunk' in frozen .* \['data_preprocessor', 'backbone', 'neck'"),
        ('backbone.stage1', r"'backbone.layer1', 'backbone.layer2'"),
        ('backbone.layer1.7', r"\['backbone.layer1.0'\]"),
        (('backbone', 'head'), 'nothing to train.*model.frozen'),
    ],
)
def test_wrong_names_list_the_right_ones(frozen, message):
    cfg = dict(
        type='DecoupledClassifier',
        backbone=dict(type='CIFARResNet', depth=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=64),
    )
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(cfg, frozen=frozen))
