# Copyright (c) ccsam_mm contributors. All rights reserved.
"""ResNets for CIFAR (He et al., CVPR 2016, section 4.2, arXiv:1512.03385)."""

from typing import Dict, List, Optional, Sequence, Tuple, Union

from mmpretrain.models.backbones import ResNet_CIFAR
from mmpretrain.models.backbones.resnet import BasicBlock
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ccsam_mm.utils.config_types import is_count


@MODELS.register_module()
class CIFARResNet(ResNet_CIFAR):
    """The small ResNets of long-tailed CIFAR benchmarks, such as ResNet-32.

    A stem of one 3x3 convolution, then three stages of ``(depth - 2) / 6`` basic
    blocks with 16, 32 and 64 channels. Shortcuts have no parameters: they take
    every second pixel and pad the channels with zeros ("option A" of the paper),
    as in `LDAM <https://arxiv.org/abs/1906.07413>`_. ``ResNet_CIFAR`` of MMPretrain
    is another network: it has ImageNet's four stages and 64 to 512 channels.

    Args:
        depth (int): Number of layers, ``6n + 2``; 20, 32, 44, 56 and 110 in the
            paper. Defaults to 32.
        in_channels (int): Number of channels of the images. Defaults to 3.
        base_channels (int): Channels of the stem and of the first stage.
            Defaults to 16.
        out_indices (Sequence[int]): Stages whose outputs are returned, from 0 to 2.
            Defaults to ``(2, )``.
        frozen_stages (int): Stages to be frozen (no gradient, evaluation mode); 0
            is the stem alone, -1 freezes nothing. Defaults to -1.
        norm_cfg (dict): The config of norm layers. Defaults to
            ``dict(type='BN', requires_grad=True)``.
        norm_eval (bool): Whether norm layers stay in evaluation mode, that is, keep
            their running statistics. Defaults to False.
        init_cfg (dict | list[dict], optional): The config of the initialization.
            Defaults to Kaiming for convolutions and 1 for norm layers.
        stage_blocks (Sequence[int], optional): Number of blocks of each stage, where
            they are not equal: ``(5, 5, 4)`` with ``depth=30`` is the "ResNet-32" of
            CC-SAM's released code. Defaults to None.

    Examples:
        >>> import torch
        >>> from ccsam_mm.models.backbones import CIFARResNet
        >>> backbone = CIFARResNet(depth=32, out_indices=(0, 1, 2))
        >>> for out in backbone(torch.rand(1, 3, 32, 32)):
        ...     print(tuple(out.shape))
        (1, 16, 32, 32)
        (1, 32, 16, 16)
        (1, 64, 8, 8)
    """

    def __init__(
        self,
        depth: int = 32,
        in_channels: int = 3,
        base_channels: int = 16,
        out_indices: Sequence[int] = (2,),
        frozen_stages: int = -1,
        norm_cfg: dict = dict(type='BN', requires_grad=True),  # noqa: B006
        norm_eval: bool = False,
        init_cfg: Optional[Union[Dict, List[Dict]]] = [  # noqa: B006
            dict(type='Kaiming', layer=['Conv2d']),
            dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
        ],
        stage_blocks: Optional[Sequence[int]] = None,
    ):
        if stage_blocks is None:
            stage_blocks = (_blocks_per_stage(depth),) * 3
        _check_stage_blocks(stage_blocks, depth)
        if not out_indices or not set(out_indices) <= {0, 1, 2}:
            raise ValueError(
                f'out_indices={out_indices}, but CIFARResNet has three stages: set '
                'model.backbone.out_indices to a choice of 0, 1 and 2.'
            )
        if frozen_stages not in range(-1, 4):
            raise ValueError(
                f'frozen_stages={frozen_stages}, but CIFARResNet has three stages: '
                'set model.backbone.frozen_stages to a number from -1 to 3.'
            )
        # The parent looks up its depth here.
        self.arch_settings = {depth: (BasicBlock, tuple(stage_blocks))}
        super().__init__(
            depth,
            in_channels=in_channels,
            stem_channels=base_channels,
            base_channels=base_channels,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=out_indices,
            frozen_stages=frozen_stages,
            norm_cfg=norm_cfg,
            norm_eval=norm_eval,
            zero_init_residual=False,
            init_cfg=init_cfg,
        )

    def make_res_layer(
        self,
        num_blocks: int,
        in_channels: int,
        out_channels: int,
        stride: int,
        norm_cfg: dict,
        **kwargs,
    ) -> nn.Sequential:
        """Build one stage.

        Args:
            num_blocks (int): Number of blocks.
            in_channels (int): Input channels of the first block.
            out_channels (int): Output channels of every block.
            stride (int): Stride of the first block.
            norm_cfg (dict): The config of norm layers.
            **kwargs: Arguments of the parent that these ResNets do not use.

        Returns:
            nn.Sequential: The blocks.
        """
        first = BasicBlock(
            in_channels,
            out_channels,
            stride=stride,
            norm_cfg=norm_cfg,
            downsample=None if stride == 1 else _Shortcut(out_channels - in_channels),
        )
        others = (
            BasicBlock(out_channels, out_channels, norm_cfg=norm_cfg)
            for _ in range(num_blocks - 1)
        )
        return nn.Sequential(first, *others)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> Tuple[int, int]:
        """Get the layer id of a parameter for layer-wise learning rates.

        Args:
            param_name (str): The name of the parameter.
            prefix (str): The prefix of the backbone's parameters. Defaults to an
                empty string.

        Returns:
            Tuple[int, int]: The layer id (0 is the stem, every block is a layer,
            and what follows the backbone is the last one) and the number of layers.
        """
        num_layers = sum(self.stage_blocks) + 2
        if not param_name.startswith(prefix):
            return num_layers - 1, num_layers
        module, block = param_name[len(prefix) :].split('.')[:2]
        if module not in self.res_layers:
            return 0, num_layers
        earlier = self.stage_blocks[: self.res_layers.index(module)]
        return sum(earlier) + int(block) + 1, num_layers


class _Shortcut(nn.Module):
    """Takes every second pixel, and pads both sides of the channels with zeros."""

    def __init__(self, new_channels: int):
        super().__init__()
        self.padding = (new_channels // 2, new_channels - new_channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, *self.padding))


def _blocks_per_stage(depth: int) -> int:
    if not is_count(depth):
        raise ValueError(
            f'depth={depth!r} is not a number of layers: set model.backbone.depth to '
            '6n + 2, such as 32.'
        )
    num_blocks, rest = divmod(depth - 2, 6)
    if rest or num_blocks < 1:
        nearest = max(8, 6 * round((depth - 2) / 6) + 2)
        raise ValueError(
            f'depth={depth} is not 6n + 2, as the layers of CIFARResNet are: set '
            f'model.backbone.depth to {nearest}, the nearest such depth.'
        )
    return num_blocks


def _check_stage_blocks(stage_blocks: Sequence[int], depth: int) -> None:
    if len(stage_blocks) != 3 or min(stage_blocks) < 1:
        raise ValueError(
            f'stage_blocks={stage_blocks}, but CIFARResNet has three stages: set '
            'model.backbone.stage_blocks to three numbers of at least 1.'
        )
    layers = 2 * sum(stage_blocks) + 2
    if layers != depth:
        raise ValueError(
            f'stage_blocks={stage_blocks} gives {layers} layers, not depth={depth}: '
            f'set model.backbone.depth to {layers}.'
        )
