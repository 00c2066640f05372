# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Class weights weigh the objective and leave the radius alone, by brute force."""

import copy

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from hypothesis import given, settings
from hypothesis import strategies as st
from routed_brute_force import build_model
from tiny_network import tiny_batch, tiny_model
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

# Exact in float32, as which losses keep them.
WEIGHTS = [0.0, 0.5, 1.0, 2.0, 3.0]
# As far apart as the weights of LDAM-DRW on CIFAR-10-LT, 0.0506 to 3.99.
DRW = [0.05078125, 0.125, 0.5, 2.0, 4.0]
OURS = dict(type='SoftmaxFocalLoss', gamma=0.0)
MMPRETRAINS = dict(type='CrossEntropyLoss')


def network(perturb, seed, **loss):
    """Without batch norm, where the routed forward is the literal one."""
    if perturb == 'head':
        return tiny_model(seed=seed, **loss)
    backbone = dict(type='PlainBackbone')
    return build_model(backbone, head=dict(loss=loss), seed=seed)


def weights_of(batch, weights, is_mean):
    """Weight of each image in the objective, spelled out."""
    values = [weights[int(sample.gt_label)] for sample in batch['data_samples']]
    divisor = sum(values) / len(values) if is_mean else 1.0
    return torch.tensor([value / divisor for value in values], dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(1, 4), min_size=2, max_size=7),
    zeros=st.integers(0, 2),
    loss=st.sampled_from([OURS, MMPRETRAINS]),
    weights=st.sampled_from([WEIGHTS, DRW]),
    perturb=st.sampled_from(['head', '', 'backbone']),
    rho_scale=st.sampled_from([0.3, 1.0]),
    max_relative_norm=st.sampled_from([None, 0.1]),
    class_reduction=st.sampled_from(['sample', 'class']),
    perturbed_weight=st.sampled_from([1.0, 0.3]),
    min_grad_norm=st.sampled_from([0.0, 1.2]),
    seed=st.integers(0, 1000),
)
def test_radius_is_that_of_the_unweighted_loss(
    labels, zeros, loss, weights, perturb, seed, **options
):
    model = network(perturb, seed, class_weight=weights, **loss)
    batch = tiny_batch(labels + [0] * zeros, seed=seed)
    expected = brute_force_gradients(
        copy.deepcopy(model),
        batch,
        cross_entropy,
        COUNTS,
        perturb,
        image_weights=weights_of(batch, weights, is_mean=loss is OURS),
        **options,
    )
    wrapper = build_wrapper(model, perturb=perturb, **options)
    actual = sgd_updates(model, batch, wrapper)
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('loss', [OURS, MMPRETRAINS])
@pytest.mark.parametrize('perturb', ['head', ''])
def test_soft_labels_have_the_factor_of_their_class(loss, perturb):
    loss = dict(loss, class_weight=DRW)
    if loss['type'] == 'CrossEntropyLoss':
        loss['use_soft'] = True
    model = network(perturb, 3, **loss)
    batch = tiny_batch([0, 0, 1, 3, 4, 4], soft=True)
    scores = torch.stack([sample.gt_score for sample in batch['data_samples']])
    mean = 1.0
    if loss['type'] == 'SoftmaxFocalLoss':
        mean = float((scores * torch.tensor(DRW).double()).sum(dim=1).mean())

    def weighted(s, t):
        return cross_entropy(s, t, class_weight=DRW)

    expected = brute_force_gradients(
        copy.deepcopy(model),
        batch,
        weighted,
        COUNTS,
        perturb,
        image_weights=torch.full((6,), 1 / mean, dtype=torch.float64),
        radius_losses=lambda s, t: weighted(s, t) / DRW[int(t[0].argmax())],
    )
    actual = sgd_updates(model, batch, build_wrapper(model, perturb=perturb))
    assert relative_difference(actual, expected) < 1e-9


def last_perturbation(model, batch, **options):
    wrapper = build_wrapper(model, **options)
    with wrapper.optim_context(model):
        model(**batch, mode='loss')
    return wrapper.last_perturbation


@pytest.mark.parametrize('loss', [OURS, MMPRETRAINS])
@pytest.mark.parametrize('perturb', ['head', ''])
def test_lengths_are_those_without_weights(loss, perturb):
    batch = tiny_batch([0, 0, 1, 3, 4])
    plain = last_perturbation(network(perturb, 0, **loss), batch, perturb=perturb)
    model = network(perturb, 0, class_weight=DRW, **loss)
    weighted = last_perturbation(model, batch, perturb=perturb)
    for name in ('grad_norms', 'lengths'):
        pair = getattr(weighted, name), getattr(plain, name)
        torch.testing.assert_close(*pair, rtol=1e-9, atol=0)


@pytest.mark.parametrize('loss', [OURS, MMPRETRAINS])
@pytest.mark.parametrize('perturb', ['head', ''])
@pytest.mark.parametrize('sync_classes', [False, True])
def test_weights_of_one_change_nothing(loss, perturb, sync_classes):
    batch = tiny_batch([0, 0, 1, 3, 4])
    plain, weighted = (
        sgd_updates(model, batch, build_wrapper(model, perturb=perturb, **options))
        for options in [dict(sync_classes=sync_classes)]
        for model in (
            network(perturb, 0, **loss),
            network(perturb, 0, class_weight=[1.0] * 5, **loss),
        )
    )
    assert relative_difference(weighted, plain) < 1e-12


@pytest.mark.parametrize('perturb', ['head', ''])
def test_class_of_weight_zero_is_not_perturbed(perturb):
    model = network(perturb, 0, class_weight=WEIGHTS, **OURS)
    last = last_perturbation(model, tiny_batch([0, 0, 1, 3]), perturb=perturb)
    is_zero = last.classes == 0
    assert is_zero.any()
    assert (last.lengths[is_zero] == 0).all()
    assert (last.lengths[~is_zero] > 0).all()


def test_accumulation_weighs_each_micro_batch_by_its_own_mean():
    model = network('head', 0, class_weight=DRW, **OURS)
    batches = [tiny_batch([0, 0, 1], seed=1), tiny_batch([4, 3, 0], seed=2)]
    parts = []
    for batch in batches:
        weights = weights_of(batch, DRW, is_mean=True)
        parts.append(
            brute_force_gradients(
                copy.deepcopy(model),
                batch,
                cross_entropy,
                COUNTS,
                image_weights=weights,
            )  # fmt: skip
        )
    expected = {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}
    wrapper = build_wrapper(model, accumulative_counts=2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for batch in batches:
        model.train_step(batch, wrapper)
    actual = {name: before[name] - p.detach() for name, p in model.named_parameters()}
    assert relative_difference(actual, expected) < 1e-9


def test_label_smoothing_has_the_weight_of_the_label():
    """The direction is that of the weighted loss, in which all classes take part."""
    loss = dict(type='LabelSmoothLoss', label_smooth_val=0.3125, mode='original')
    model = network('head', 0, class_weight=DRW, **loss)
    batch = tiny_batch([0, 0, 1, 3, 4])

    def weighted(s, t):
        return cross_entropy(s, t, class_weight=DRW, smoothing=0.3125)

    expected = brute_force_gradients(
        copy.deepcopy(model), batch, weighted, COUNTS,
        radius_losses=lambda s, t: weighted(s, t) / DRW[int(t[0].argmax())],
    )  # fmt: skip
    actual = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('loss', [OURS, MMPRETRAINS])
@pytest.mark.parametrize('perturb', ['head', ''])
def test_lengths_in_mixed_precision(loss, perturb):
    batch = tiny_batch([0, 0, 1, 3, 4], dtype=torch.float32)
    lengths = []
    for class_weight in (None, DRW):
        model = network(perturb, 0, class_weight=class_weight, **loss).float()
        with torch.autocast('cpu', torch.bfloat16):
            last = last_perturbation(model, batch, perturb=perturb)
        lengths.append(last.lengths)
    torch.testing.assert_close(*lengths, rtol=2e-2, atol=0)
