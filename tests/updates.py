# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Updates of an optimizer wrapper, as gradients that a test compares."""

import math

from mmengine.optim import build_optim_wrapper

import ccsam_mm  # noqa: F401

COUNTS = [500, 60, 7, 2, 1]


def build_wrapper(model, **kwargs):
    """CC-SAM's wrapper, or that of another ``type``, with a learning rate of 1."""
    config = dict(
        type='CCSAMOptimWrapper',
        optimizer=dict(type='SGD', lr=1.0),
        class_counts=COUNTS,
    )
    config.update(kwargs)
    if config['type'] == 'SAMOptimWrapper':
        del config['class_counts']  # it knows no classes
    return build_optim_wrapper(model, config)


def sgd_updates(model, batch, optim_wrapper):
    """What ``train_step`` with learning rate 1 subtracts from every parameter."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.train_step(batch, optim_wrapper)
    return {name: before[name] - p.detach() for name, p in model.named_parameters()}


def relative_difference(actual, expected):
    """Largest difference over all parameters, relative to the gradient's norm."""
    scale = math.sqrt(sum(float((g**2).sum()) for g in expected.values()))
    worst = max(float((actual[n] - g).abs().max()) for n, g in expected.items())
    return worst / max(scale, 1e-30)
