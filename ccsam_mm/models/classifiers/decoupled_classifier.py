# Copyright (c) ccsam_mm contributors. All rights reserved.
import logging
from typing import List, Optional, Sequence, Union

import torch
from mmengine.logging import print_log
from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ccsam_mm.utils.loading.load_record import LoadRecord, extra_layers


@MODELS.register_module()
class DecoupledClassifier(ImageClassifier):
    """Image classifier with a frozen part, for stage 2 of decoupled training.

    The frozen part gets no gradient (no graph is built through it) and stays in
    evaluation mode, so that its batch-norm statistics do not change and its dropout is
    off. It is frozen on construction, because MMEngine wraps the model for distributed
    training before any hook runs. A checkpoint must fill the frozen part completely,
    which the first training step checks.

    Args:
        backbone (dict): The backbone module.
        neck (dict, optional): The neck module. Defaults to None.
        head (dict, optional): The head module. Defaults to None.
        frozen (str | Sequence[str]): Names of the frozen submodules, also dotted
            ones such as ``'backbone.layer1'``. Defaults to ``('backbone', 'neck')``.
        moving_statistics (bool): Whether running statistics of frozen norm layers
            follow the data, as in the authors' code of CC-SAM. Their weights stay
            frozen. Defaults to False.
        **kwargs: Other arguments of
            :class:`mmpretrain.models.ImageClassifier`.

    Examples:
        >>> from ccsam_mm.models.classifiers import DecoupledClassifier
        >>> model = DecoupledClassifier(
        ...     backbone=dict(type='CIFARResNet', depth=20),
        ...     neck=dict(type='GlobalAveragePooling'),
        ...     head=dict(type='AdversarialFeatureHead', num_classes=10,
        ...               in_channels=64))
        >>> [name for name, p in model.named_parameters() if p.requires_grad]
        ['head.fc.weight', 'head.fc.bias']
        >>> model.train().backbone.training
        False
    """

    def __init__(
        self,
        backbone: dict,
        neck: Optional[dict] = None,
        head: Optional[dict] = None,
        frozen: Union[str, Sequence[str]] = ('backbone', 'neck'),
        moving_statistics: bool = False,
        **kwargs,
    ):
        if not isinstance(moving_statistics, bool):
            raise ValueError(
                f'moving_statistics={moving_statistics!r}: set '
                'model.moving_statistics to True or False.'
            )
        super().__init__(backbone, neck=neck, head=head, **kwargs)
        names = (frozen,) if isinstance(frozen, str) else frozen
        # MMPretrain keeps an absent neck as None.
        self.frozen = tuple(n for n in names if getattr(self, n, self) is not None)
        self.moving_statistics = moving_statistics
        for name in self.frozen:
            _find_submodule(self, name).requires_grad_(False)
        if head is not None and not any(p.requires_grad for p in self.parameters()):
            raise ValueError(
                f'frozen={self.frozen} leaves DecoupledClassifier nothing to train: '
                'remove the part that must learn from model.frozen.'
            )
        self._load_record = LoadRecord(self)
        self._frozen_is_checked = False

    def train(self, mode: bool = True) -> 'DecoupledClassifier':
        """Set the training mode of all but the frozen part.

        Args:
            mode (bool): Whether to set training or evaluation mode. Defaults to
                True.

        Returns:
            DecoupledClassifier: The model itself.
        """
        super().train(mode)
        for module in map(self.get_submodule, self.frozen):
            module.eval()
            if mode and self.moving_statistics:
                for norm in filter(_has_running_statistics, module.modules()):
                    norm.train()
        return self

    def loss(self, inputs: Tensor, data_samples: List[DataSample]) -> dict:
        """Calculate losses; the first call checks the loaded weights.

        Args:
            inputs (Tensor): The images with shape ``(N, C, ...)``.
            data_samples (List[DataSample]): The annotation data of every sample.

        Returns:
            dict[str, Tensor]: The losses of the head.

        Raises:
            RuntimeError: If checkpoints filled only some of the frozen weights, or
                filled them with values that are not finite.
        """
        if not self._frozen_is_checked:
            self._check_frozen()
            self._frozen_is_checked = True
        return super().loss(inputs, data_samples)

    def _check_frozen(self) -> None:
        """Refuse random weights in the frozen part, which is never trained."""
        record, what = self._load_record, ', '.join(self.frozen)
        missing = record.missing(self, self.frozen) if self.frozen else []
        if missing and not record.num_loads:
            print_log(
                f'No checkpoint was loaded into the frozen part ({what}) of '
                'DecoupledClassifier: unless it was filled in another way, its weights '
                'stay random. Set load_from to a checkpoint of stage 1.',
                logger='current',
                level=logging.WARNING,
            )
        elif missing:
            found = record.describe(self, missing, self.frozen)
            raise RuntimeError(
                f'The checkpoint {found}. DecoupledClassifier cannot train on a '
                f'frozen part ({what}) with random weights: load one that was trained '
                'with the same backbone and neck, or remove the part that must learn '
                'from model.frozen.'
            )
        starts = tuple(f'{name}.' for name in self.frozen)
        extra = [n for n in record.unexpected if n.startswith(starts)]
        extra = extra_layers(self, extra, in_sequences=True)
        if extra:
            raise RuntimeError(
                f"The checkpoint has '{extra[0]}' and {len(extra) - 1} more weights "
                f'of layers that the frozen part ({what}) lacks: set model.backbone to '
                'that of stage 1.'
            )
        for name, param in self.named_parameters():
            if name.startswith(starts) and not torch.isfinite(param).all():
                raise RuntimeError(
                    f"'{name}' in the frozen part of DecoupledClassifier is not "
                    'finite: load a checkpoint from before that training diverged.'
                )


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(getattr(module, 'running_mean', None), Tensor)


def _find_submodule(model: nn.Module, name: str) -> nn.Module:
    """Follow a dotted name, and report where it ends if there is no such module."""
    module, known = model, ''
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children:
            raise ValueError(
                f"'{name}' in frozen is not a submodule of the model: set model.frozen "
                f'to names that exist, such as {[known + child for child in children]}.'
            )
        module, known = children[part], f'{known}{part}.'
    return module
