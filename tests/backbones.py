# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Holds CC-SAM on MMPretrain's backbones, at small size, against ``brute_force.py``.

In evaluation mode images are independent (batch norm by its statistics, no dropout), so
that a copy of the network per class is the exact reference.
"""

import copy
from typing import List, NamedTuple, Optional

import mmpretrain.models.backbones as backbones
import torch
from brute_force import brute_force_gradients, cross_entropy
from mmengine.model import BaseDataPreprocessor
from mmpretrain.models import ClsHead, ImageClassifier
from mmpretrain.registry import MODELS
from tiny_network import tiny_batch
from torch import nn
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

# As many images as BEiT has heads: lengths alone do not tell images from heads.
LABELS = [0, 2, 0, 1, 4, 2]
VIT = dict(embed_dims=12, num_layers=2, num_heads=2, feedforward_channels=16)
POOL = dict(layers=[1, 1, 1, 1], embed_dims=[8, 8, 8, 8], mlp_ratios=[2, 2, 2, 2])
# Arguments of a small one, and the size of its images (32 where it is not said).
CONFIGS = {
    'AlexNet': dict(size=224),
    'BEiTViT': dict(
        arch=dict(VIT, num_heads=6),
        img_size=32,
        use_abs_pos_emb=False,
        use_rel_pos_bias=False,
        use_shared_rel_pos_bias=True,
    ),
    'Conformer': dict(size=64),
    'ConvMixer': dict(arch=dict(embed_dims=8, depth=2, patch_size=4, kernel_size=3)),
    'ConvNeXt': dict(arch=dict(depths=[1, 1], channels=[8, 8]), out_indices=(1,)),
    'CSPDarkNet': dict(depth=53, size=64),
    'CSPNet': None,  # the base of those above and below
    'CSPResNeXt': dict(depth=50),
    'CSPResNet': dict(depth=50),
    'DaViT': dict(
        arch=dict(
            embed_dims=12, depths=[1, 1], num_heads=[2, 2], feedforward_channels=24
        ),
        window_size=4,
        out_indices=(1,),
    ),
    'DeiT3': dict(arch=VIT, img_size=32),
    'DenseNet': dict(
        arch=dict(growth_rate=4, depths=[1, 1, 1, 1], init_channels=8)
    ),
    'DistilledVisionTransformer': dict(arch=VIT, img_size=32),
    'EfficientFormer': dict(
        arch=dict(
            layers=[1, 1, 1, 1], embed_dims=[8, 8, 8, 8],
            downsamples=[False, True, True, True], vit_num=0,
        )
    ),
    'EfficientNetV2': dict(arch='s', size=64),
    'HiViT': dict(
        arch=dict(embed_dims=16, depths=[1, 1, 1], num_heads=2),
        img_size=32, out_indices=[1],
    ),
    'HorNet': dict(
        arch=dict(base_dim=8, depths=[1, 1, 1, 1], orders=[2, 2, 2, 2],
                  dw_cfg=[dict(type='DW', kernel_size=7)] * 4),
        size=64,
    ),
    'InceptionV3': dict(size=128),
    'LeNet5': dict(size=32, in_channels=1),
    'LeViT': dict(
        arch=dict(
            embed_dims=[16, 16, 16], num_heads=[2, 2, 2], depths=[1, 1, 1],
            key_dims=[4, 4, 4],
            down_ops=[['Subsample', 4, 2, 4, 2, 2], ['Subsample', 4, 2, 4, 2, 2]],
        ),
        img_size=64, size=64,
    ),
    'MixMIMTransformer': dict(
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]),
        img_size=64, window_size=[4, 4, 4, 2], size=64,
    ),
    'MlpMixer': dict(
        arch=dict(embed_dims=12, num_layers=2, tokens_mlp_dims=8, channels_mlp_dims=8),
        img_size=32,
    ),
    'MobileViT': dict(arch='xx_small', size=64),
    'MViT': dict(
        arch=dict(embed_dims=8, num_layers=2, num_heads=1, downscale_indices=[1]),
        img_size=32,
    ),
    'PCPVT': dict(
        arch=dict(
            embed_dims=[8, 8], depths=[1, 1], num_heads=[1, 2], patch_sizes=[4, 2],
            strides=[4, 2], mlp_ratios=[2, 2], sr_ratios=[2, 1],
        ),
        out_indices=(1,),
    ),
    'PoolFormer': dict(arch=dict(POOL, layer_scale_init_value=0.5), size=64),
    'RIFormer': dict(arch=dict(POOL, layer_scale_init_value=0.5), size=64),
    'RegNet': dict(
        arch=dict(w0=8, wa=8.0, wm=2.0, group_w=8, depth=4, bot_mul=1.0), size=64
    ),
    'RepLKNet': dict(
        arch=dict(
            large_kernel_sizes=[5, 5, 5, 5], layers=[1, 1, 1, 1],
            channels=[8, 8, 8, 8], small_kernel=3, dw_ratio=1,
        ),
        size=64,
    ),
    'RepMLPNet': dict(
        arch=dict(
            channels=[8, 16], depths=[1, 1], sharesets_nums=[1, 1],
        ),
        img_size=32, out_indices=(1,),
    ),
    'ResNet_CIFAR': dict(depth=18, base_channels=8, stem_channels=8),
    'ResNet': dict(depth=18, base_channels=8, stem_channels=8),
    'ResNetV1c': dict(depth=18, base_channels=8, stem_channels=8),
    'ResNetV1d': dict(depth=18, base_channels=8, stem_channels=8),
    'RevVisionTransformer': dict(arch=VIT, img_size=32),
    'SVT': dict(
        arch=dict(
            embed_dims=[8, 8], depths=[1, 2], num_heads=[1, 2], patch_sizes=[4, 2],
            strides=[4, 2], mlp_ratios=[2, 2], sr_ratios=[2, 1], window_sizes=[4, 4],
        ),
        out_indices=(1,),
    ),
    'SwinTransformer': dict(
        arch=dict(embed_dims=8, depths=[2, 2], num_heads=[1, 2]),
        img_size=32, window_size=4, out_indices=(1,),
    ),
    'SwinTransformerV2': dict(
        arch=dict(
            embed_dims=8, depths=[2, 2], num_heads=[1, 2], extra_norm_every_n_blocks=0
        ),
        img_size=32, window_size=4, out_indices=(1,),
    ),
    'T2T_ViT': dict(
        img_size=32, embed_dims=12, num_layers=2,
        layer_cfgs=dict(num_heads=2, feedforward_channels=16),
        t2t_cfg=dict(token_dims=8, use_performer=False),
    ),
    'TinyViT': dict(
        arch=dict(
            channels=[8, 8, 8, 8], num_heads=[1, 1, 1, 1], depths=[1, 1, 1, 1]
        ),
        img_size=(64, 64), window_size=[4, 4, 4, 2], size=64,
    ),
    'TNT': dict(
        arch=dict(
            embed_dims_outer=12, embed_dims_inner=4, num_layers=2, num_heads_outer=2,
            num_heads_inner=2,
        ),
        img_size=32,
    ),
    'VAN': dict(
        arch=dict(embed_dims=[8, 8, 8, 8], depths=[1, 1, 1, 1], ffn_ratios=[2] * 4),
        size=64,
    ),
    'VGG': dict(depth=11),
    'Vig': dict(arch='tiny', size=224),
    'PyramidVig': dict(arch='tiny', size=224),
    'VisionTransformer': dict(arch=VIT, img_size=32),
    'ViTEVA02': dict(arch=dict(VIT, embed_dims=16), img_size=32),
    'ViTSAM': dict(
        arch=dict(VIT, global_attn_indexes=[1]), img_size=64, size=64, out_channels=8,
        window_size=2,
    ),
    'XCiT': dict(img_size=32, embed_dims=12, depth=2, num_heads=2),
}  # fmt: skip


@MODELS.register_module()
class PooledHead(ClsHead):
    """A linear layer on the mean of whatever features come last."""

    def __init__(self, num_classes, in_channels, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.fc = nn.Linear(in_channels, num_classes)

    @staticmethod
    def pooled(feats):
        """Features ``(N, C)``."""
        while isinstance(feats, (tuple, list)):
            feats = feats[-1]
        if feats.ndim == 3:
            return feats.mean(dim=1)
        return feats.flatten(2).mean(dim=2) if feats.ndim > 3 else feats

    def forward(self, feats):
        """Scores ``(N, K)``."""
        return self.fc(self.pooled(feats))


class Outcome(NamedTuple):
    """What became of a backbone: exact, refused, wrong or not built."""

    kind: str
    difference: Optional[float] = None
    # Of the gradient without a perturbation, or a small difference would say nothing.
    effect: Optional[float] = None
    sentence: str = ''


def names() -> List[str]:
    """All backbones that MMPretrain lists."""
    return sorted(backbones.__all__)


def small_classifier(name: str):
    """A classifier in double precision, and a batch for it.

    Raises:
        Exception: Where MMPretrain cannot build or run it here.
    """
    config = CONFIGS.get(name, {})
    if config is None:
        raise ValueError('a base class')
    config = dict(config)
    size, channels = config.pop('size', 32), config.pop('in_channels', 3)
    if name not in CONFIGS:
        config.update(_default(name))
    torch.manual_seed(0)
    backbone = MODELS.build(dict(config, type=name)).double()
    backbone.eval()  # of some it returns nothing
    batch = tiny_batch(LABELS)
    batch['inputs'] = torch.randn(len(LABELS), channels, size, size).double()
    with torch.no_grad():
        width = PooledHead.pooled(backbone(batch['inputs'])).shape[1]
    head = dict(type='PooledHead', num_classes=5, in_channels=width)
    model = ImageClassifier(backbone=nn.Identity(), head=head)
    model.backbone = backbone
    model.data_preprocessor = BaseDataPreprocessor()
    for parameter in model.parameters():
        if parameter.abs().max() < 1e-3:
            nn.init.normal_(parameter, std=0.1)  # what is zero at first hides faults
    model.double().eval()
    return model, batch


def deep_part(model) -> List[str]:
    """The last third of the backbone's blocks, and the head."""
    blocks = []
    for name, child in model.backbone.named_children():
        parts = [(name, child)]
        if isinstance(child, (nn.ModuleList, nn.Sequential)):
            parts = [(f'{name}.{key}', part) for key, part in child.named_children()]
        blocks += [key for key, part in parts if any(True for _ in part.parameters())]
    last = blocks[-max(len(blocks) // 3, 1) :]
    return [f'backbone.{name}' for name in last] + ['head']


def check(name: str, whole: bool = False) -> Outcome:
    """Compare an update with brute force, or get the sentence that refuses it.

    Args:
        name (str): A backbone of MMPretrain.
        whole (bool): Whether to perturb all parameters. Defaults to False: see
            :func:`deep_part`.
    """
    try:
        model, batch = small_classifier(name)
    except Exception as error:
        return Outcome('not built', sentence=f'{type(error).__name__}: {error}')
    perturb = [''] if whole else deep_part(model)
    model.requires_grad_(True)
    wrapper = build_wrapper(model, perturb=perturb, max_relative_norm=0.02)
    oracle = copy.deepcopy(model)
    try:
        wrapper.initialize_count_status(model, 0, 1)
        updates = sgd_updates(model, batch, wrapper)
    except (RuntimeError, NotImplementedError, ValueError) as error:
        known = 'optim_wrapper.' in str(error)
        return Outcome('refused' if known else 'crashed', sentence=str(error))
    # An empty tail, or layer1 would also be layer10.
    prefix = tuple(p and f'{p}.' for p in perturb)
    expected = brute_force_gradients(
        oracle, batch, cross_entropy, COUNTS, prefix=prefix, max_relative_norm=0.02
    )
    difference = relative_difference(updates, expected)
    plain = brute_force_gradients(
        oracle, batch, cross_entropy, COUNTS, prefix=prefix, rho_scale=0
    )
    effect = relative_difference(plain, expected)
    return Outcome('exact' if difference < 1e-8 else 'WRONG', difference, effect)


def _default(name: str) -> dict:
    """The first architecture in the backbone's own list."""
    kind = getattr(backbones, name)
    if getattr(kind, 'arch_zoo', None):
        return dict(arch=next(iter(kind.arch_zoo)))
    settings = getattr(kind, 'arch_settings', None)
    if isinstance(settings, dict) and not name.startswith(('Mobile', 'Efficient')):
        key = next(iter(settings))
        return dict(depth=key) if isinstance(key, int) else dict(arch=key)
    return {}
