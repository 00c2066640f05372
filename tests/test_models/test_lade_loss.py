# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the definition in plain Python, and values of the published code."""

import math

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from tiny_network import tiny_batch, tiny_model
from updates import COUNTS, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.models.losses import BalancedSoftmaxLoss, LADELoss

FEW = [100, 10, 1]
SCORES = torch.tensor(
    [[2, 0.5, -1], [0.3, 1.2, 0.1], [-0.4, 0.6, 0.9], [1.5, -0.2, 0.7]]
).double()


def naive_regulariser(scores, labels, counts, lam):
    total = 0.0
    for c, count in enumerate(counts):
        prior = count / sum(counts)
        own = [row[c] for row, label in zip(scores, labels) if label == c]
        mean = sum(own) / len(own) if own else 0.0
        terms = [math.exp(row[c]) / (len(counts) * prior) for row in scores]
        share = math.log(sum(terms) / len(scores))
        total -= prior * (mean - share - lam * share**2)
    return total


@pytest.mark.parametrize(
    ('labels', 'lam', 'expected'),
    [
        ([0, 1, 2, 0], 0.01, -1.249593),
        ([0, 1, 2, 0], 0.1, -1.200599),
        ([0, 1, 0, 0], 0.1, -0.546845),  # no image of class 2
    ],
)
def test_regulariser_of_the_published_code(labels, lam, expected):
    loss = LADELoss(alpha=1.0, lam=lam, class_counts=FEW)
    value = loss.regulariser(SCORES, torch.tensor(labels)).item()
    assert value == pytest.approx(expected, abs=1e-6)
    naive = naive_regulariser(SCORES.tolist(), labels, FEW, lam)
    assert value == pytest.approx(naive, rel=1e-12)


@pytest.mark.parametrize('seed', range(4))
def test_loss_is_balanced_softmax_and_the_regulariser(seed):
    torch.manual_seed(seed)
    scores = 3 * torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(5, (6,))
    loss = LADELoss(alpha=0.3, lam=0.2, loss_weight=0.5, class_counts=COUNTS)
    balanced = BalancedSoftmaxLoss(class_counts=COUNTS)(scores, labels).item()
    naive = naive_regulariser(scores.tolist(), labels.tolist(), COUNTS, 0.2)
    value = loss(scores, labels, avg_factor=6)
    assert value.item() == pytest.approx(0.5 * (balanced + 0.3 * naive), rel=1e-9)
    assert torch.autograd.gradcheck(lambda z: loss(z, labels), (scores,))


def test_half_precision_is_regularised_in_single_precision():
    scores, labels = torch.randn(4, 5).half(), torch.tensor([0, 1, 2, 4])
    loss = LADELoss(class_counts=COUNTS)
    assert loss(scores, labels) == loss(scores.float(), labels)


def test_soft_labels_and_other_reductions_are_refused():
    loss = LADELoss(class_counts=FEW)
    with pytest.raises(ValueError, match='leave out Mixup'):
        loss(SCORES, torch.full((4, 3), 1 / 3))
    with pytest.raises(ValueError, match="reduction to 'mean'"):
        loss(SCORES, torch.tensor([0, 1, 2, 0]), reduction_override='none')
    with pytest.raises(ValueError, match="reduction='sum' is not"):
        LADELoss(reduction='sum')


@pytest.mark.parametrize('kind', ['CCSAM', 'ImbSAM', 'FocalSAM'])
def test_methods_of_independent_images_refuse_it_by_name(kind):
    model = tiny_model(type='LADELoss', class_counts=COUNTS)
    config = dict(type=f'{kind}OptimWrapper', class_counts=COUNTS)
    wrapper = build_optim_wrapper(
        model, dict(config, optimizer=dict(type='SGD', lr=1.0))
    )
    with pytest.raises(NotImplementedError, match=f'{kind}OptimWrapper.*LADELoss'):
        wrapper.initialize_count_status(model, 0, 10)


def test_sam_takes_it():
    batch = tiny_batch([0, 0, 1, 4])
    found = []
    for kind in ('SAMOptimWrapper', 'OptimWrapper'):
        model = tiny_model(type='LADELoss', class_counts=COUNTS)
        config = dict(type=kind, optimizer=dict(type='SGD', lr=1.0))
        found.append(sgd_updates(model, batch, build_optim_wrapper(model, config)))
    difference = relative_difference(*found)
    assert 1e-6 < difference < 0.5
