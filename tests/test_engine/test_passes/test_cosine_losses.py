# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A step of CC-SAM on LDAM and GCL with their cosine head, by brute force."""

import copy
import math

import pytest
import torch
from brute_force import brute_force_gradients
from routed_brute_force import build_model
from tiny_network import tiny_batch
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.passes.class_routed_passes import ClassRoutedPasses

LABELS = [3, 0, 1, 0, 4, 0, 3]
WEIGHTS = [0.25, 0.5, 1.0, 2.0, 4.0]
HEAD = dict(type='CosineLinearClsHead')


def nll(scores, targets):
    """Cross entropy, image by image."""
    losses = [
        torch.logsumexp(s, dim=0) - s[t.argmax()] for s, t in zip(scores, targets)
    ]
    return torch.stack(losses)


def ldam(scores, targets):
    powers = [n**-0.25 for n in COUNTS]
    margins = torch.tensor([0.5 * p / max(powers) for p in powers], dtype=torch.float64)
    return nll(7 * (scores - margins * targets), targets)


def clouded(noise):
    """GCL for the noise of a batch that is sorted by class."""
    sizes = [math.log(max(COUNTS) / n) for n in COUNTS]
    sizes = torch.tensor([s / max(sizes) for s in sizes], dtype=torch.float64)
    first = {c: sorted(LABELS).index(c) for c in set(LABELS)}

    def gcl(scores, targets):
        classes = [int(target.argmax()) for target in targets]
        rows = [first[c] + classes[:i].count(c) for i, c in enumerate(classes)]
        clouds = (noise[rows] / 3).clamp(-1, 1).abs()
        return nll(7 * (scores - 0.5 * clouds * sizes), targets)

    return gcl


@pytest.mark.parametrize('perturb', ['head', 'backbone', ''])
@pytest.mark.parametrize('class_weight', [None, WEIGHTS])
@pytest.mark.parametrize('class_reduction', ['sample', 'class'])
@pytest.mark.parametrize('name', ['LDAMLoss', 'GCLLoss'])
def test_step_equals_brute_force(name, perturb, class_weight, class_reduction):
    loss = dict(type=name, scale=7.0, class_counts=COUNTS, class_weight=class_weight)
    backbone = dict(type='PlainBackbone')
    model = build_model(backbone, head=dict(HEAD, loss=loss))
    batch = tiny_batch(LABELS)
    torch.manual_seed(5)
    noise = torch.randn(len(LABELS), 5, dtype=torch.float64)
    weights = None
    if class_weight:
        weights = torch.tensor([WEIGHTS[c] for c in LABELS], dtype=torch.float64)
        weights = weights / weights.mean()
    options = dict(rho_scale=0.3, class_reduction=class_reduction)
    expected, plain = (
        brute_force_gradients(
            copy.deepcopy(model),
            batch,
            ldam if name == 'LDAMLoss' else clouded(noise),
            COUNTS,
            perturb,
            image_weights=weights,
            **dict(options, rho_scale=rho_scale),
        )
        for rho_scale in (0.3, 0.0)
    )
    wrapper = build_wrapper(model, perturb=perturb, **options)
    torch.manual_seed(5)
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 1e-9
    assert relative_difference(plain, expected) > 1e-4
    assert isinstance(wrapper._passes, ClassRoutedPasses)
