# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What a reader of the results has to know."""

from typing import List

import numpy as np
from mmengine.config import Config
from mmpretrain.registry import DATA_SAMPLERS
from torch import nn

from ccsam_mm.datasets.samplers import ClassBalancedSampler, ClassWeightedSampler
from ccsam_mm.models.losses import ClassPriorLoss, SoftmaxFocalLoss
from ccsam_mm.utils.config_types import class_of

from .data_sets import RecordedSets
from .last_layer import score_scale


def notes(
    cfg: Config, head: nn.Module, sets: RecordedSets, has_layer: bool
) -> List[str]:
    """Say what limits the results.

    Args:
        cfg (Config): The config.
        head (nn.Module): The head.
        sets (RecordedSets): The images.
        has_layer (bool): Whether the head ends in a plain linear layer.

    Returns:
        list[str]: Sentences.
    """
    found = []
    if sets.on_test_images:
        found.append(
            'WARNING: the validation images are those of the test, so that every '
            'parameter is chosen on the test images, and no number below is a fair '
            'test result: set val_dataloader.dataset to other images, such as '
            '`held_out` of LongTailed.'
        )
    if sets.test is None:
        found.append('The config has no test_dataloader: there is no test.')
    for name, images in (('validation', sets.val), ('test', sets.test)):
        tested = np.unique(images.labels) if images is not None else sets.class_counts
        if len(tested) < len(sets.class_counts):
            missing = set(range(len(sets.class_counts))) - set(tested.tolist())
            found.append(
                f'The {name} images lack {len(missing)} of {len(sets.class_counts)} '
                f'classes, such as {min(missing)}, which count in no mean.'
            )
    if not has_layer:
        found.append(
            f'tau_norm is left out, and nothing can be saved: the scores of '
            f'{type(head).__name__} are not those of a plain linear layer.'
        )
    scale = score_scale(head)
    if scale != 1:
        found.append(
            f'{type(head.loss_module).__name__} multiplies the scores by {scale:g}, '
            'and predictions do not: of the calibration errors, that of temperature '
            'alone means something.'
        )
    found += _balanced_training(cfg, head)
    return found


def _balanced_training(cfg: Config, head: nn.Module) -> List[str]:
    """Whether the training itself balances the classes."""
    loss = getattr(head, 'loss_module', None)
    why = ''
    if isinstance(loss, ClassPriorLoss) and not isinstance(loss, SoftmaxFocalLoss):
        why = f'the loss {type(loss).__name__}'
    sampler = class_of(cfg.train_dataloader.get('sampler') or {}, DATA_SAMPLERS)
    samplers = (ClassBalancedSampler, ClassWeightedSampler)
    if sampler is not None and issubclass(sampler, samplers):
        why = f'the sampler {sampler.__name__}'
    if not why:
        return []
    return [
        f'This config trains with {why}, which already changes how the classes count: '
        'prior_correction, and logit_adjustment with tau 1, assume plain cross entropy '
        'on the images as they are.'
    ]
