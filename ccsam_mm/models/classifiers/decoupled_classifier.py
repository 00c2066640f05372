# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Optional, Sequence, Union

from mmpretrain.models.classifiers import ImageClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DecoupledClassifier(ImageClassifier):
    """Image classifier of which a part is frozen: stage 2 of decoupled training.

    The frozen part gets no gradient (no graph is built through it) and stays in
    evaluation mode, so that its batch-norm statistics and dropout are still, too.
    This is so from the beginning: MMEngine wraps the model for distributed training
    before any hook runs.

    Args:
        backbone (dict): The backbone module.
        neck (dict, optional): The neck module. Defaults to None.
        head (dict, optional): The head module. Defaults to None.
        frozen (str | Sequence[str]): Names of the frozen submodules, also dotted
            ones such as ``'backbone.layer1'``. Defaults to ``('backbone', 'neck')``.
        moving_statistics (bool): Whether running statistics of frozen norm layers
            follow the data, which is what the authors' code of CC-SAM does. Their
            weights stay frozen. Defaults to False.
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
                'take the part that shall learn out of model.frozen.'
            )

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


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(getattr(module, 'running_mean', None), Tensor)


def _find_submodule(model: nn.Module, name: str) -> nn.Module:
    """Follow a dotted name, and say where it ends when it leads nowhere."""
    module, known = model, ''
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children:
            raise ValueError(
                f"'{name}' in frozen is no submodule of the model: set model.frozen to "
                f'names that exist, such as {[known + child for child in children]}.'
            )
        module, known = children[part], f'{known}{part}.'
    return module
