# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the fraction of the definition, image by image, in plain Python."""

import copy
import math
from collections import OrderedDict

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmpretrain.models.losses import CrossEntropyLoss
from mmpretrain.registry import MODELS
from tiny_network import tiny_batch, tiny_model
from updates import COUNTS, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401
from ccsam_mm.models.losses import BalancedSoftmaxLoss

LABELS = [0, 0, 0, 1, 1, 4]


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """A fresh message hub, as each runner makes one."""
    monkeypatch.setattr(MessageHub, '_instance_dict', OrderedDict())
    return MessageHub.get_instance('test')


def naive_loss(scores, target, tau):
    """Loss of one image with a soft label."""
    powers = [n**tau * math.exp(a) for n, a in zip(COUNTS, scores)]
    return -sum(t * math.log(p / sum(powers)) for t, p in zip(target, powers))


@settings(max_examples=60, deadline=None)
@given(
    soft=st.booleans(),
    tau=st.sampled_from([0, 0.5, 1.0, 2.0]),
    loss_weight=st.sampled_from([1.0, 0.3]),
    reduction=st.sampled_from(['none', 'mean', 'sum']),
    is_override=st.booleans(),
    weighted=st.booleans(),
    avg_factor=st.sampled_from([None, 7]),
    batch=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
def test_equals_naive_loop(
    soft, tau, loss_weight, reduction, is_override, weighted, avg_factor, batch, seed
):
    generator = torch.Generator().manual_seed(seed)
    options = dict(generator=generator, dtype=torch.float64)
    scores = 5 * torch.randn(batch, 5, **options)
    label = torch.randint(5, (batch,), generator=generator)
    targets = torch.eye(5, dtype=torch.float64)[label]
    if soft:
        label = targets = torch.rand(batch, 5, **options).softmax(dim=1)
    # MMPretrain turns weights into float32, which holds quarters exactly.
    weight = torch.randint(1, 9, (batch,), generator=generator) / 4
    avg_factor = None if reduction == 'sum' else avg_factor

    values = [naive_loss(*row, tau) for row in zip(scores.tolist(), targets.tolist())]
    if weighted:
        values = [w * value for w, value in zip(weight.tolist(), values)]
    values = [loss_weight * value for value in values]
    if reduction != 'none':
        values = sum(values) / (1 if reduction == 'sum' else avg_factor or batch)

    loss = BalancedSoftmaxLoss(
        tau, COUNTS, loss_weight, 'sum' if is_override else reduction
    )
    actual = loss(
        scores,
        label,
        weight=weight if weighted else None,
        avg_factor=avg_factor,
        reduction_override=reduction if is_override else None,
    )
    assert actual.tolist() == pytest.approx(values, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize('soft', [False, True])
def test_gradients(soft):
    torch.manual_seed(0)
    scores = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    label = torch.rand(3, 5).softmax(dim=1) if soft else torch.tensor([0, 4, 2])
    loss = BalancedSoftmaxLoss(class_counts=COUNTS)
    assert torch.autograd.gradcheck(lambda a: loss(a, label), (scores,))


def test_the_prior_is_what_it_learns():
    """Scores without evidence have the least loss where they are equal."""
    scores = torch.zeros(1, 5, requires_grad=True)
    loss = BalancedSoftmaxLoss(class_counts=COUNTS, reduction='sum')
    label = torch.tensor([COUNTS]) / sum(COUNTS)
    loss(scores, label).backward()
    assert scores.grad.abs().max() < 1e-6
    plain = CrossEntropyLoss(reduction='sum')
    assert torch.autograd.grad(plain(scores, label), scores)[0].abs().max() > 0.1


def test_tau_zero_is_cross_entropy():
    scores, label = torch.randn(4, 5), torch.tensor([0, 1, 2, 3])
    loss = BalancedSoftmaxLoss(tau=0, class_counts=COUNTS)
    assert loss(scores, label) == CrossEntropyLoss()(scores, label)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_scores_get_the_exact_prior(dtype):
    scores, label = torch.randn(4, 5).to(dtype), torch.tensor([0, 1, 2, 4])
    loss = BalancedSoftmaxLoss(class_counts=COUNTS)
    expected = loss(scores.float(), label)
    assert loss(scores, label) == expected
    with torch.autocast('cpu', dtype=dtype):
        assert loss(scores, label) == expected
        soft = torch.eye(5, dtype=dtype)[label]
        assert loss(scores, soft).item() == pytest.approx(expected.item(), rel=1e-6)


def test_counts_come_from_the_message_hub_at_first_use(hub):
    scores, label = torch.randn(2, 5), torch.tensor([0, 4])
    loss = BalancedSoftmaxLoss()
    with pytest.raises(RuntimeError, match='BalancedSoftmaxLoss does not.*loss.class_'):
        loss(scores, label)
    hub.update_info('dataset_meta', dict(class_counts=COUNTS))
    expected = BalancedSoftmaxLoss(class_counts=COUNTS)(scores, label)
    assert loss(scores, label) == expected
    assert not list(loss.state_dict())  # checkpoints fit models of other losses


def test_predictions_are_those_of_the_plain_softmax():
    torch.manual_seed(0)
    config = dict(type='LinearClsHead', num_classes=5, in_channels=4)
    balanced = dict(type='BalancedSoftmaxLoss', class_counts=COUNTS)
    head = MODELS.build(dict(config, loss=balanced))
    feats = (torch.randn(3, 4),)
    for sample, scores in zip(head.predict(feats), head.fc(feats[0])):
        torch.testing.assert_close(sample.pred_score, scores.softmax(dim=0))


def log_prior():
    counts = torch.tensor(COUNTS, dtype=torch.float64)
    return (counts / counts.sum()).log()


@pytest.mark.parametrize('soft', [False, True])
def test_in_the_head_of_stage_2(soft):
    """The prior may as well stand in the bias of a head with cross entropy."""
    model = tiny_model(
        head=dict(type='AdversarialFeatureHead'),
        type='BalancedSoftmaxLoss',
        class_counts=COUNTS,
    )
    plain = tiny_model(head=dict(type='AdversarialFeatureHead', max_adv_weight=0.4))
    model.head.max_adv_weight = 0.4
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        plain.head.fc.bias += log_prior()
    batch = tiny_batch(LABELS, soft=soft)
    losses, expected = (m(**batch, mode='loss') for m in (model, plain))
    assert expected['loss_adv'] > 0.01
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-12, atol=0)


@pytest.mark.parametrize('perturb', ['head', ''])
@pytest.mark.parametrize('soft', [False, True])
def test_with_ccsam_equals_brute_force(perturb, soft):
    """Closed form and routing."""
    # Without batch norm, whose statistics tell the routed forward from the oracle.
    model = tiny_model(type='BalancedSoftmaxLoss', class_counts=COUNTS)
    model.backbone.norm = torch.nn.Identity()
    batch = tiny_batch(LABELS, soft=soft)
    expected = brute_force_gradients(
        copy.deepcopy(model),
        batch,
        lambda scores, targets: cross_entropy(scores + log_prior(), targets),
        COUNTS,
        prefix=perturb,
        rho_scale=0.3,
    )
    plain = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, perturb, rho_scale=0.3
    )
    assert relative_difference(plain, expected) > 1e-2
    wrapper = ccsam(model, perturb=perturb)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_with_ccsam_in_mixed_precision():
    model = tiny_model(
        dtype=torch.float32, type='BalancedSoftmaxLoss', class_counts=COUNTS
    )
    batch = tiny_batch(LABELS, dtype=torch.float32)
    double = copy.deepcopy(model).double()
    same = dict(batch, inputs=batch['inputs'].double())
    expected = sgd_updates(double, same, ccsam(double))
    with torch.autocast('cpu', torch.float16):
        actual = sgd_updates(model, batch, ccsam(model))
    assert relative_difference(actual, expected) < 4e-3


def ccsam(model, **options):
    config = dict(type='CCSAMOptimWrapper', rho_scale=0.3, class_counts=COUNTS)
    config.update(optimizer=dict(type='SGD', lr=1.0), **options)
    return build_optim_wrapper(model, config)


@pytest.mark.parametrize('tau', [-1, float('nan'), float('inf'), '1', None])
def test_wrong_tau_is_refused(tau):
    with pytest.raises(ValueError, match='set model.head.loss.tau to a number >= 0'):
        BalancedSoftmaxLoss(tau=tau)


def test_wrong_class_counts_are_refused():
    with pytest.raises(ValueError, match=r'class_counts\[1\] is 0.*head.loss.class_'):
        BalancedSoftmaxLoss(class_counts=[3, 0])
    loss = BalancedSoftmaxLoss(class_counts=[3, 1])
    with pytest.raises(ValueError, match='2 entries, but the head has 5 classes'):
        loss(torch.zeros(1, 5), torch.tensor([0]))
