# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Holds updates of CCSAMOptimWrapper for any part against ``brute_force.py``."""

import copy

import torch
from brute_force import brute_force_gradients, cross_entropy
from mmengine.model import BaseDataPreprocessor
from mmpretrain.models import ImageClassifier
from torch import nn
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401


def build_model(backbone, head=None, seed=0, **kwargs):
    """Like ``tiny_model`` with another backbone."""
    torch.manual_seed(seed)
    head = dict(dict(type='LinearClsHead', in_channels=4), **(head or {}))
    model = ImageClassifier(backbone=backbone, head=dict(head, num_classes=5), **kwargs)
    model.data_preprocessor = BaseDataPreprocessor()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.double().train()


def assert_equals_brute_force(model, batch, perturb, tolerance=1e-9, **options):
    prefix = (perturb,) if isinstance(perturb, str) else tuple(perturb)
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, prefix=prefix, **options
    )
    plain = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, prefix=prefix, rho_scale=0
    )
    wrapper = build_wrapper(model, perturb=perturb, **options)
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < tolerance
    return relative_difference(plain, expected)


def with_buffers_of_now(model):
    """A copy whose every forward starts from the buffers that the model has now."""
    copied = copy.deepcopy(model)
    buffers = {name: b.clone() for name, b in copied.named_buffers()}
    own_forward = type(copied).forward

    class Restarted(type(copied)):
        def forward(self, *args, **kwargs):
            for name, buffer in self.named_buffers():
                buffer.copy_(buffers[name])
            return own_forward(self, *args, **kwargs)

    copied.__class__ = Restarted
    return copied
