# Copyright (c) ccsam_mm contributors. All rights reserved.
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS
from torch import nn
from torch.nn import functional as F

import ccsam_mm  # noqa: F401
from ccsam_mm.models.backbones import CIFARResNet

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/models'


def reference_forward(state: dict, x: torch.Tensor, num_blocks: int) -> torch.Tensor:
    """He et al.'s network in evaluation mode, from a state dict and nothing else."""

    def conv_bn(x, conv, bn, stride=1):
        x = F.conv2d(x, state[f'{conv}.weight'], stride=stride, padding=1)
        mean, var = state[f'{bn}.running_mean'], state[f'{bn}.running_var']
        x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5) ** 0.5
        return (
            x * state[f'{bn}.weight'][:, None, None]
            + state[f'{bn}.bias'][:, None, None]
        )

    x = conv_bn(x, 'conv1', 'bn1').clamp(min=0)
    for stage in (1, 2, 3):
        for block in range(num_blocks):
            name = f'layer{stage}.{block}'
            stride = 2 if stage > 1 and block == 0 else 1
            out = conv_bn(x, f'{name}.conv1', f'{name}.bn1', stride).clamp(min=0)
            out = conv_bn(out, f'{name}.conv2', f'{name}.bn2')
            shortcut = torch.zeros_like(out)
            first = (out.shape[1] - x.shape[1]) // 2
            for channel in range(x.shape[1]):
                shortcut[:, first + channel] = x[:, channel, ::stride, ::stride]
            x = (out + shortcut).clamp(min=0)
    return x


@pytest.mark.parametrize(
    'depth, channels, size', [(20, 3, 32), (8, 1, 28), (14, 3, 15)]
)
def test_forward_equals_reference(depth, channels, size):
    torch.manual_seed(0)
    model = CIFARResNet(depth=depth, in_channels=channels, base_channels=6).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.weight, module.bias):
                nn.init.normal_(tensor)
            nn.init.uniform_(module.running_var, 0.5, 2)
    images = torch.randn(2, channels, size, size, dtype=torch.float64)
    model.eval()  # MMPretrain's backbones return None here
    (out,) = model(images)
    expected = reference_forward(model.state_dict(), images, (depth - 2) // 6)
    assert out.abs().max() > 0.1
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)


def test_shipped_resnet32_has_464154_parameters():
    model = MODELS.build(Config.fromfile(CONFIGS / 'resnet32_cifar.py').model)
    assert sum(p.numel() for p in model.parameters()) == 464154
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 32
    model.init_weights()
    weight = model.backbone.layer2[0].conv2.weight  # fan_out = 9 * 32
    assert abs(weight.std().item() - (2 / (9 * 32)) ** 0.5) < 0.005
    assert all(
        (m.weight == 1).all() for m in model.modules() if isinstance(m, nn.BatchNorm2d)
    )


@pytest.mark.parametrize('depth, num_layers', [(20, 20), (44, 44), (56, 56)])
def test_other_depths(depth, num_layers):
    convs = [m for m in CIFARResNet(depth).modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == num_layers - 1


def test_resnet32_of_the_released_code():
    """As that code lists it: 5, 5 and 4 blocks, of which none has a projection."""
    model = MODELS.build(Config.fromfile(CONFIGS / 'resnet32_released.py').model)
    blocks = [len(getattr(model.backbone, f'layer{n}')) for n in (1, 2, 3)]
    assert blocks == [5, 5, 4]
    shapes = [(m.in_channels, m.out_channels) for m in model.backbone.modules()
              if isinstance(m, nn.Conv2d)]  # fmt: skip
    expected = [(3, 16)] + [(16, 16)] * 10 + [(16, 32)] + [(32, 32)] * 9
    assert shapes == expected + [(32, 64)] + [(64, 64)] * 7


def test_out_indices_and_frozen_stages():
    model = CIFARResNet(8, out_indices=(0, 2), frozen_stages=1, norm_eval=True)
    assert [o.shape[1:] for o in model(torch.rand(2, 3, 8, 8))] == [
        (16, 8, 8),
        (64, 2, 2),
    ]
    model.train()
    assert not any(p.requires_grad for p in model.layer1.parameters())
    assert not any(p.requires_grad for p in model.conv1.parameters())
    assert all(p.requires_grad for p in model.layer2.parameters())
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(m.training for m in norms)
    assert model.layer2.training


def test_layer_depth_grows_from_stem_to_head():
    model = CIFARResNet(20)
    names = ['conv1.weight', 'bn1.bias', 'layer1.0.conv1.weight', 'layer1.2.bn2.bias']
    names += ['layer2.0.conv1.weight', 'layer3.2.conv2.weight']
    depths = [model.get_layer_depth(f'backbone.{n}', 'backbone.') for n in names]
    assert depths == [(d, 11) for d in (0, 0, 1, 3, 4, 9)]
    assert model.get_layer_depth('head.fc.weight', 'backbone.') == (10, 11)


@pytest.mark.parametrize('depth, nearest', [(30, 32), (33, 32), (2, 8), (18, 20)])
def test_wrong_depth_names_the_nearest(depth, nearest):
    with pytest.raises(ValueError, match=rf'depth={depth}.* to {nearest}, the nearest'):
        CIFARResNet(depth)


def test_wrong_stages_are_refused():
    with pytest.raises(ValueError, match='out_indices'):
        CIFARResNet(20, out_indices=(3,))
    with pytest.raises(ValueError, match='frozen_stages'):
        CIFARResNet(20, frozen_stages=4)
    with pytest.raises(ValueError, match='three numbers of at least 1'):
        CIFARResNet(20, stage_blocks=(9, 0, 0))
    with pytest.raises(ValueError, match=r'set model.backbone.depth to 30\.'):
        CIFARResNet(32, stage_blocks=(5, 5, 4))
