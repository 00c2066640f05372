# Copyright (c) ccsam_mm contributors. All rights reserved.
"""ImbSAM against ``sam_brute_force.py``, and what it shares with Focal-SAM."""

import copy
from functools import partial

import pytest
import torch
import updates
from brute_force import cross_entropy
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS
from sam_brute_force import TinyDetector, gradients, sam_gradients, tail_gradients
from tiny_network import tiny_batch, tiny_model
from updates import relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

COUNTS = [500, 60, 20, 19, 1]
# MMPretrain keeps weights and smoothed labels in float32: values exact there.
CLASS_WEIGHT = [0.25, 0.5, 1.0, 2.0, 3.0]
LOSSES = dict(
    cross_entropy=(dict(), dict()),
    weighted=(dict(class_weight=CLASS_WEIGHT), dict(class_weight=CLASS_WEIGHT)),
    label_smoothing=(
        dict(type='LabelSmoothLoss', label_smooth_val=0.3125, mode='original'),
        dict(smoothing=0.3125),
    ),
    soft=(dict(use_soft=True), dict()),
)


build_wrapper = partial(
    updates.build_wrapper, type='ImbSAMOptimWrapper', class_counts=COUNTS
)


def image_losses_of(batch, **options):
    """Losses of the batch's images as a function of the network."""
    samples = batch['data_samples']
    if 'gt_score' in samples[0]:
        targets = torch.stack([sample.gt_score for sample in samples])
    else:
        targets = torch.eye(5).double()[[int(sample.gt_label) for sample in samples]]

    def losses(network):
        scores = network(batch['inputs'], mode='tensor')
        return cross_entropy(scores, targets, **options)

    return losses


@settings(max_examples=120, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=9),
    loss=st.sampled_from(sorted(LOSSES)),
    threshold=st.sampled_from([20, 21, 1000]),
    rho=st.sampled_from([0.0, 0.05, 2.0]),
    adaptive=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_update_equals_brute_force(labels, loss, threshold, seed, **options):
    config, loss_options = LOSSES[loss]
    model = tiny_model(seed=seed, **config)
    batch = tiny_batch(labels, soft=loss == 'soft', seed=seed)
    expected = tail_gradients(
        copy.deepcopy(model),
        image_losses_of(batch, **loss_options),
        [COUNTS[label] < threshold for label in labels],
        **options,
    )
    wrapper = build_wrapper(model, tail_threshold=threshold, **options)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_tail_alone_is_perturbed():
    """Neither SAM nor SGD, but SAM if all classes are tail classes."""
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 3, 4])
    losses = image_losses_of(batch)

    def loss_of(network):
        return losses(network).mean()

    sam = sam_gradients(copy.deepcopy(model), loss_of, rho=0.5)
    plain, some = copy.deepcopy(model), copy.deepcopy(model)
    plain = gradients(plain, loss_of(plain))
    actual = sgd_updates(some, batch, build_wrapper(some, rho=0.5))
    assert relative_difference(actual, sam) > 1e-2
    assert relative_difference(actual, plain) > 1e-2
    actual = sgd_updates(
        model, batch, build_wrapper(model, rho=0.5, tail_threshold=501)
    )
    assert relative_difference(actual, sam) < 1e-9


@pytest.mark.parametrize(
    'head',
    [
        dict(type='StackedLinearClsHead', mid_channels=(6,)),
        dict(type='VisionTransformerClsHead', hidden_dim=6),
    ],
)
def test_heads_of_several_layers(head):
    model, batch = tiny_model(head=head), tiny_batch([0, 0, 1, 4])
    if head['type'] == 'VisionTransformerClsHead':
        # Its features are (patch tokens, class token).
        model.backbone.register_forward_hook(lambda m, a, out: ([None, out[0]],))
    expected = tail_gradients(
        copy.deepcopy(model), image_losses_of(batch), [False] * 3 + [True], rho=0.5
    )
    actual = sgd_updates(model, batch, build_wrapper(model, rho=0.5))
    assert relative_difference(actual, expected) < 1e-9


def test_accumulation_and_clipping():
    model, plain = tiny_model(), tiny_model()
    wrapper = build_wrapper(
        model, rho=0.5, accumulative_counts=2, clip_grad=dict(max_norm=0.1)
    )
    parts = []
    for seed, labels in enumerate([[0, 1, 3, 4], [0, 0, 1]]):
        batch = tiny_batch(labels, seed=seed)
        actual = sgd_updates(model, batch, wrapper)
        is_tail = [COUNTS[label] < 20 for label in labels]
        parts.append(tail_gradients(plain, image_losses_of(batch), is_tail, rho=0.5))
    expected = {name: (parts[0][name] + parts[1][name]) / 2 for name in actual}
    norm = torch.cat([grad.flatten() for grad in expected.values()]).norm()
    # As clip_grad_norm_ defines it.
    expected = {name: 0.1 / (norm + 1e-6) * g for name, g in expected.items()}
    assert relative_difference(actual, expected) < 1e-9


def test_logged_values():
    """The clean loss, and that of all images at the perturbed weights."""
    model = tiny_model(head=dict(type='LinearClsHead', cal_acc=True))
    batch = tiny_batch([0, 1, 3, 4])
    with torch.no_grad():
        clean = copy.deepcopy(model)(**batch, mode='loss')
    logs = model.train_step(batch, build_wrapper(model, rho=0.01))
    assert set(logs) == {'loss', 'accuracy_top-1', 'clean_objective'}
    torch.testing.assert_close(logs['clean_objective'], clean['loss'])
    torch.testing.assert_close(logs['loss'], clean['loss'], rtol=0.1, atol=0)
    assert logs['loss'] != clean['loss']


def test_stateful_loss_counts_a_batch_once():
    model = tiny_model()
    model.head.loss_module = MODELS.build(dict(type='SeesawLoss', num_classes=5))
    model.train_step(tiny_batch([0, 0, 1, 4]), build_wrapper(model))
    assert model.head.loss_module.cum_samples.tolist() == [2, 1, 0, 0, 1]
    assert model.backbone.norm.num_batches_tracked == 1


def test_class_counts_come_from_the_training_data_set():
    hub = MessageHub.get_instance('imbsam_counts_test')  # now the current instance
    hub.update_info('dataset_meta', dict(class_counts=COUNTS))
    model, batch = tiny_model(), tiny_batch([0, 1, 4])
    expected = tail_gradients(
        copy.deepcopy(model), image_losses_of(batch), [False, False, True], rho=0.05
    )
    actual = sgd_updates(model, batch, build_wrapper(model, class_counts=None))
    assert relative_difference(actual, expected) < 1e-9
    hub.runtime_info.pop('dataset_meta')
    with pytest.raises(RuntimeError, match='ImbSAMOptimWrapper.*ClassCountsHook'):
        model.train_step(batch, build_wrapper(model, class_counts=None))


@pytest.mark.parametrize(
    'options, sentence',
    [
        (dict(class_counts=[5, 4, 3]), '3 entries.*5 classes'),
        (dict(tail_threshold=1), 'raise optim_wrapper.tail_threshold'),
    ],
)
def test_wrong_class_counts_are_refused_before_training(options, sentence):
    model = tiny_model()
    with pytest.raises(ValueError, match=sentence):
        build_wrapper(model, **options).initialize_count_status(model, 0, 10)


@pytest.mark.parametrize('value', [0, '20', None])
def test_wrong_threshold_is_refused(value):
    with pytest.raises(ValueError, match=f'tail_threshold is {value!r}'):
        build_wrapper(tiny_model(), tail_threshold=value)


def test_model_without_a_head_is_refused():
    model = TinyDetector()
    wrapper = build_wrapper(model)
    with pytest.raises(TypeError, match='TinyDetector has no head.*SAMOptimWrapper'):
        wrapper.initialize_count_status(model, 0, 10)


@pytest.mark.parametrize(
    'forward, sentence',
    [
        (lambda head, feats: head.fc(feats[-1]).mean(0, keepdim=True), 'one row for'),
        (lambda head, feats: (head.fc(feats[-1]),), 'one row for'),
        (lambda head, feats: type(head).forward(head, feats), 'called 0 times'),
    ],
)
def test_head_without_a_row_per_image_is_refused(forward, sentence):
    model, batch = tiny_model(), tiny_batch([0, 1, 4])
    head = model.head
    if '0' in sentence:
        head.loss = lambda feats, _: dict(loss=forward(head, feats).mean())
    else:
        head.forward = lambda feats: forward(head, feats)
        head._get_loss = lambda scores, _: dict(loss=scores[0].mean())
    with pytest.raises(RuntimeError, match=sentence):
        model.train_step(batch, build_wrapper(model))
    assert not head._forward_hooks


def test_step_after_an_error_in_the_head():
    model, batch = tiny_model(), tiny_batch([0, 1, 4])
    wrapper, head = build_wrapper(model), model.head
    head._get_loss = lambda scores, _: dict(loss=scores[9])
    with pytest.raises(IndexError):
        model.train_step(batch, wrapper)
    del head._get_loss
    assert model.train_step(batch, wrapper)['loss'] > 0
