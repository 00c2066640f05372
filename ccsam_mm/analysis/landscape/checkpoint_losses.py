# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The losses of a checkpoint on the images of a config."""

from typing import Callable, Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MessageHub
from mmpretrain.apis import get_model
from torch import nn

from ccsam_mm.datasets.class_counts import describe_class
from ccsam_mm.engine.hooks.check_loaded_hook import check_reset
from ccsam_mm.engine.passes.perturbed_parameters import matching_parameters
from ccsam_mm.utils.checkpoints import saved_dataset_meta
from ccsam_mm.utils.loading.filled import load_filled

from .evaluated_data import EvaluatedData
from .image_losses import ImageLosses, LossFunction
from .record_images import record_images


def load_losses(
    cfg: Config,
    checkpoint: str,
    data: EvaluatedData,
    perturb: Union[str, Sequence[str]] = 'head',
    loss: str = 'ce',
    tick: Optional[Callable[[], None]] = None,
) -> ImageLosses:
    """Load a checkpoint and evaluate it on images, ready for perturbations.

    Args:
        cfg (Config): The config of the model.
        checkpoint (str): The checkpoint, which has to fill the model.
        data (EvaluatedData): The images.
        perturb (str | Sequence[str]): Prefixes of the perturbed parameters' names, as
            those of ``CCSAMOptimWrapper``. Defaults to 'head'.
        loss (str): 'ce', cross entropy, or 'config', the loss of the config's head.
            Defaults to 'ce'.
        tick (Callable, optional): Called after each batch. Defaults to None.

    Returns:
        ImageLosses: The losses of the images.

    Raises:
        ValueError: If a prefix matches nothing, the checkpoint belongs to other class
            counts, or an image has a loss that is not finite.
        RuntimeError: If the checkpoint does not fill the model.
    """
    # Losses with priors look there, as in a training (MMEngine's RuntimeInfoHook).
    MessageHub.get_current_instance().update_info(
        'dataset_meta', dict(class_counts=data.class_counts, classes=data.classes)
    )
    model = get_model(cfg, pretrained=False)
    names = matching_parameters(model, perturb, '--perturb ')
    loaded = load_filled(model, checkpoint)
    check_reset(model, loaded.get('state_dict', loaded), checkpoint)
    _check_counts(loaded, data, checkpoint)
    # Without gradients, no graph of the trunk is kept.
    model = model.requires_grad_(False).to(get_device()).eval()
    losses = record_images(
        model,
        names,
        data.loader,
        _loss_function(model, loss),
        data.num_images,
        len(data.class_counts),
        tick,
    )
    _check_finite(losses, data, checkpoint)
    return losses


def _loss_function(model: nn.Module, loss: str) -> LossFunction:
    if loss == 'ce':
        return lambda scores, labels: F.cross_entropy(scores, labels, reduction='none')
    module = getattr(getattr(model, 'head', None), 'loss_module', None)
    if module is None:
        raise ValueError('The head of the config has no loss: use --loss ce.')
    if getattr(module, 'couples_images', False):
        raise ValueError(
            f'{type(module).__name__} depends on all images of a batch at once, so no '
            'image has a loss of its own: use --loss ce.'
        )
    return lambda scores, labels: module(scores, labels, reduction_override='none')


def _check_counts(loaded: dict, data: EvaluatedData, checkpoint: str) -> None:
    """Refuse a checkpoint whose training had other class counts."""
    saved = saved_dataset_meta(loaded).get('class_counts')
    if saved is None or list(map(int, saved)) == data.class_counts:
        return
    here = f'{len(data.class_counts)} classes of {_extent(data.class_counts)}'
    raise ValueError(
        f'{checkpoint} was trained on {len(saved)} classes of {_extent(saved)} '
        f'training images and the config has {here}: take the config of its training.'
    )


def _extent(counts: Sequence[int]) -> str:
    return f'{max(counts):,} .. {min(counts):,}'


def _check_finite(losses: ImageLosses, data: EvaluatedData, checkpoint: str) -> None:
    """Refuse weights that give no loss before anything is perturbed."""
    values = losses.at()
    bad = torch.nonzero(~values.isfinite()).flatten()
    if len(bad):
        label = int(losses.labels[bad[0]])
        raise ValueError(
            f'{checkpoint} gives {len(bad)} of {len(values)} images a loss that is not '
            f'finite, the first one of class {describe_class(label, data.classes)}: '
            'its training has diverged, so take an earlier checkpoint.'
        )
