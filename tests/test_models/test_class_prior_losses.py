# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracles: each formula in plain Python, and values of the published code."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from tiny_network import tiny_batch, tiny_model
from updates import COUNTS, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.models.losses import (
    BalancedSoftmaxLoss,
    GCLLoss,
    LabelAwareSmoothLoss,
    LDAMLoss,
    SoftmaxFocalLoss,
    VSLoss,
    class_prior_loss,
)

SCORES = torch.tensor(
    [[2, 0.5, -1], [0.3, 1.2, 0.1], [-0.4, 0.6, 0.9], [1.5, -0.2, 0.7]]
).double()
LABELS = torch.tensor([0, 1, 2, 0])
FEW = [100, 10, 1]
# Effective numbers with beta = 0.9999, which add up to the number of classes.
EFFECTIVE = [0.027159, 0.270369, 2.702472]


def nll(scores, label):
    largest = max(scores)
    return (
        largest + math.log(sum(math.exp(s - largest) for s in scores)) - scores[label]
    )


def naive_focal(scores, label, counts):
    loss = nll(scores, label)
    return (-math.expm1(-loss)) ** 1.5 * loss


def naive_ldam(scores, label, counts):
    powers = [n**-0.25 for n in counts]
    scores = list(scores)
    scores[label] -= 0.4 * powers[label] / max(powers)
    return nll([20 * s for s in scores], label)


def naive_vs(scores, label, counts):
    scores = [
        s / (max(counts) / n) ** 0.2 + 1.2 * math.log(n / sum(counts))
        for s, n in zip(scores, counts)
    ]
    return nll(scores, label)


def naive_smooth(scores, label, counts):
    share = (counts[label] - min(counts)) / (max(counts) - min(counts))
    smoothing = 0.1 + 0.3 * math.sin(share * math.pi / 2)
    everywhere = sum(nll(scores, c) for c in range(len(scores))) / len(scores)
    return (1 - smoothing) * nll(scores, label) + smoothing * everywhere


def naive_balanced(scores, label, counts):
    return nll([s + math.log(n) for s, n in zip(scores, counts)], label)


def naive_cloudless(scores, label, counts):
    scores = list(scores)
    scores[label] -= 0.1
    loss = nll([20 * s for s in scores], label)
    return -math.expm1(-loss) * loss


PAIRS = {
    'focal': (SoftmaxFocalLoss, dict(gamma=1.5), naive_focal),
    'ldam': (LDAMLoss, dict(max_margin=0.4, scale=20), naive_ldam),
    'vs': (VSLoss, dict(gamma=0.2, tau=1.2), naive_vs),
    'smooth': (
        LabelAwareSmoothLoss,
        dict(smooth_head=0.4, smooth_tail=0.1),
        naive_smooth,
    ),
    'balanced': (BalancedSoftmaxLoss, {}, naive_balanced),
    'gcl': (
        GCLLoss,
        dict(margin=0.1, scale=20, noise=0, focal_gamma=1),
        naive_cloudless,
    ),
}


@pytest.mark.parametrize('name', list(PAIRS))
@settings(max_examples=30, deadline=None)
@given(
    soft=st.booleans(),
    weighted=st.booleans(),
    reduction=st.sampled_from(['none', 'mean', 'sum']),
    avg_factor=st.sampled_from([None, 7]),
    seed=st.integers(0, 10**6),
)
def test_equals_naive_loop(name, soft, weighted, reduction, avg_factor, seed):
    kind, options, naive = PAIRS[name]
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(4, 5, generator=generator, dtype=torch.float64) * 2 - 1
    label = torch.randint(5, (4,), generator=generator)
    targets = torch.eye(5, dtype=torch.float64)[label]
    if soft:
        label = targets = (targets + targets.roll(1, 0) * 3) / 4
    class_weight = [0.5, 1.0, 2.0, 3.0, 4.0] if weighted else None
    loss = kind(
        class_counts=COUNTS,
        class_weight=class_weight,
        reduction=reduction,
        loss_weight=0.5,
        **options,
    )

    weights, values = [], []
    for row, target in zip(scores.tolist(), targets.tolist()):
        shares = [t * w for t, w in zip(target, class_weight or [1.0] * 5)]
        weights.append(sum(shares))
        terms = (s * naive(row, c, COUNTS) for c, s in enumerate(shares) if s)
        values.append(0.5 * sum(terms))
    if reduction != 'none':
        values = sum(values)
    if reduction == 'mean':
        values = values / sum(weights) * (4 / avg_factor if avg_factor else 1)
    actual = loss(scores, label, avg_factor=avg_factor)
    assert actual.tolist() == pytest.approx(values, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ('loss', 'divisor', 'expected'),
    [
        (SoftmaxFocalLoss(gamma=0), 1, 0.496122),
        (SoftmaxFocalLoss(gamma=1), 1, 0.207241),
        (SoftmaxFocalLoss(gamma=2), 1, 0.090466),
        (SoftmaxFocalLoss(gamma=0, class_weight=EFFECTIVE), 1, 0.680742),
        (LDAMLoss(class_counts=FEW), 3, 3.133961),
        (LDAMLoss(class_counts=FEW, class_weight=EFFECTIVE), 3, 10.757767),
        (VSLoss(class_counts=FEW), 1, 1.588403),
        (VSLoss(0.2, 1.2, class_counts=FEW), 1, 1.833342),
        (LabelAwareSmoothLoss(0.4, 0.1, class_counts=FEW), 1, 0.766571),
        (BalancedSoftmaxLoss(class_counts=FEW), 1, 1.312042),
        (BalancedSoftmaxLoss(1.5, class_counts=FEW), 1, 2.084105),
    ],
)
def test_value_of_the_published_code(loss, divisor, expected):
    value = loss(SCORES / divisor, LABELS).item()
    assert value == pytest.approx(expected, rel=3e-6)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(margin=0.0, scale=30, noise=0.5), 0.070509),
        (dict(margin=0.1, scale=20, noise=0.5, focal_gamma=1), 0.293792),
    ],
)
def test_clouds_of_the_published_code(monkeypatch, options, expected):
    """The published values are for a noise of 0.25 everywhere."""
    monkeypatch.setattr(torch, 'randn_like', lambda x: torch.full_like(x, -0.75))
    loss = GCLLoss(class_counts=FEW, **options)
    assert loss(SCORES / 3, LABELS).item() == pytest.approx(expected, rel=2e-5)


def test_clouds_are_clipped_and_lower_rare_classes_only(monkeypatch):
    monkeypatch.setattr(torch, 'randn_like', lambda x: torch.full_like(x, 99.0))
    loss = GCLLoss(scale=1.0, noise=0.5, class_counts=FEW)
    moved = torch.tensor([[0.0, -0.25, -0.5]])
    expected = F.cross_entropy(moved, torch.tensor([1]))
    torch.testing.assert_close(loss(torch.zeros(1, 3), torch.tensor([1])), expected)


@pytest.mark.parametrize(
    'loss',
    [
        SoftmaxFocalLoss(gamma=0),
        LDAMLoss(max_margin=0, scale=1, class_counts=FEW),
        VSLoss(gamma=0, tau=0, class_counts=FEW),
        VSLoss(class_counts=[7, 7, 7]),
        LabelAwareSmoothLoss(0, 0, class_counts=FEW),
        LabelAwareSmoothLoss(0.3, 0, class_counts=[7, 7, 7]),
        GCLLoss(scale=1, noise=0, class_counts=FEW),
        GCLLoss(scale=1, class_counts=[7, 7, 7]),
    ],
)
def test_limit_is_cross_entropy(loss):
    expected = F.cross_entropy(SCORES, LABELS)
    torch.testing.assert_close(loss(SCORES, LABELS), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize('name', [name for name in PAIRS if name != 'gcl'])
@pytest.mark.parametrize('soft', [False, True])
def test_gradients(name, soft):
    kind, options, _ = PAIRS[name]
    loss = kind(class_counts=COUNTS, **options)
    torch.manual_seed(0)
    scores = torch.rand(3, 5, dtype=torch.float64, requires_grad=True)
    label = torch.rand(3, 5).softmax(dim=1) if soft else torch.tensor([0, 4, 2])
    assert torch.autograd.gradcheck(lambda z: loss(z, label), (scores,))


def test_no_gradient_through_the_focal_factor_of_gcl():
    scores = SCORES.clone().requires_grad_()
    loss = GCLLoss(scale=1, noise=0, focal_gamma=1, class_counts=FEW)
    loss(scores, LABELS).backward()
    own = SCORES.clone().requires_grad_()
    losses = F.cross_entropy(own, LABELS, reduction='none')
    ((1 - (-losses.detach()).exp()) * losses).mean().backward()
    torch.testing.assert_close(scores.grad, own.grad, rtol=1e-12, atol=0)


def test_fitted_image_has_a_finite_gradient_in_focal_loss():
    scores = torch.tensor([[200.0, 0.0]], requires_grad=True)
    SoftmaxFocalLoss(gamma=0.5)(scores, torch.tensor([0])).backward()
    assert scores.grad.isfinite().all()


def updates(model, batch, **options):
    """Updates of a step from the same weights and random numbers."""
    model = copy.deepcopy(model)
    torch.manual_seed(3)
    config = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0))
    if options:
        config.update(type='CCSAMOptimWrapper', class_counts=COUNTS, **options)
    return sgd_updates(model, batch, build_optim_wrapper(model, config))


@pytest.mark.parametrize('name', list(PAIRS))
@pytest.mark.parametrize('perturb', ['head', ''])
def test_with_ccsam_a_radius_of_zero_is_sgd(name, perturb):
    kind, options, _ = PAIRS[name]
    loss = dict(type=kind.__name__, class_counts=COUNTS, **options)
    model = tiny_model(head=dict(type='CosineLinearClsHead'), **loss)
    batch = tiny_batch([0, 0, 1, 1, 4])
    expected = updates(model, batch)
    zero = updates(model, batch, perturb=perturb, rho_scale=0)
    assert relative_difference(zero, expected) < 1e-9
    full = updates(model, batch, perturb=perturb, rho_scale=0.3)
    assert relative_difference(full, expected) > 1e-4


def test_both_passes_of_ccsam_have_the_same_clouds():
    model = tiny_model(type='GCLLoss', scale=3, class_counts=COUNTS)
    batch = tiny_batch([0, 0, 1, 1, 4])
    zero = updates(model, batch, perturb='head', rho_scale=0)
    assert relative_difference(zero, updates(model, batch)) < 1e-9


@pytest.mark.parametrize('as_tensor', [False, True])
@pytest.mark.parametrize(
    ('class_weight', 'words'),
    [
        ([1.0, 2.0], '2 entries for 3 classes'),
        ([1.0, 2.0, 3.0, 4.0], '4 entries for 3 classes'),
        ([1.0, -1.0, 1.0], 'not a number >= 0'),
        ([1.0, float('nan'), 1.0], 'not a number >= 0'),
    ],
)
def test_wrong_class_weights_are_refused(class_weight, words, as_tensor):
    if as_tensor:  # as a hook sets them, after other steps
        loss = SoftmaxFocalLoss()
        loss(SCORES, LABELS)
        loss.class_weight = torch.tensor(class_weight)
    else:
        loss = SoftmaxFocalLoss(class_weight=class_weight)
    with pytest.raises(ValueError, match=words):
        loss(SCORES, LABELS)


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'CCSAMOptimWrapper'])
@pytest.mark.parametrize('perturb', ['head', ''])
def test_batch_of_classes_without_weight_changes_nothing(wrapper, perturb):
    model = tiny_model(type='SoftmaxFocalLoss', class_weight=[0.0, 0.0, 1.0, 1.0, 1.0])
    options = {} if wrapper == 'OptimWrapper' else dict(perturb=perturb)
    changes = updates(model, tiny_batch([0, 0, 1, 1]), **options)
    assert all(not change.any() for change in changes.values())


@pytest.mark.parametrize('kind', [LDAMLoss, GCLLoss])
def test_scores_that_are_no_cosines_are_a_warning(kind, monkeypatch):
    said = []
    monkeypatch.setattr(
        class_prior_loss, 'print_log', lambda message, **_: said.append(message)
    )
    loss = kind(class_counts=FEW)
    loss(SCORES / 3, LABELS)
    assert not said
    loss = kind(class_counts=FEW)
    for _ in range(3):
        loss(SCORES, LABELS)
    (message,) = said
    assert 'score of 2: set model.head.type' in message
    VSLoss(class_counts=FEW)(SCORES, LABELS)
    assert len(said) == 1


@pytest.mark.parametrize(
    ('config', 'words'),
    [
        (dict(type='SoftmaxFocalLoss', gamma=-1), 'loss.gamma to a number >= 0'),
        (dict(type='LDAMLoss', scale='30'), 'loss.scale to a number >= 0'),
        (dict(type='VSLoss', tau=float('nan')), 'loss.tau to a number >= 0'),
        (
            dict(type='LabelAwareSmoothLoss', smooth_head=1.5),
            'loss.smooth_head to a number from 0 to 1',
        ),
        (dict(type='GCLLoss', noise=True), 'loss.noise to a number >= 0'),
        (
            dict(type='VSLoss', reduction='avg'),
            'head.loss.reduction to',
        ),
        (dict(type='VSLoss', class_counts=[3, 0]), r'class_counts\[1\] is 0'),
    ],
)
def test_wrong_argument_is_one_sentence(config, words):
    with pytest.raises(ValueError, match=words):
        MODELS.build(config)
