# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
import math
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MessageHub
from mmengine.runner import load_checkpoint, save_checkpoint
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.models.losses import SeesawLoss
from mmpretrain.structures import DataSample
from torch import nn

import ccsam_mm  # noqa: F401
from ccsam_mm.models.heads import AdversarialFeatureHead

COUNTS = [90, 30, 7, 2]


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """A fresh message hub, as each runner makes one."""
    monkeypatch.setattr(MessageHub, '_instance_dict', OrderedDict())
    return MessageHub.get_instance('test')


def make_samples(labels, scores=None):
    samples = [DataSample().set_gt_label(int(label)) for label in labels]
    if scores is not None:
        for sample, score in zip(samples, scores):
            sample.set_gt_score(torch.as_tensor(score))
    return samples


def image_loss(weight, bias, z, target):
    """Cross entropy of one image, its gradient by logits and by features; NumPy."""
    logits = weight @ z + bias
    logp = logits - math.log(sum(math.exp(v) for v in logits))
    grad_logits = target.sum() * np.exp(logp) - target
    return -sum(target * logp), grad_logits, weight.T @ grad_logits


def naive_stage2(weight, bias, z, labels, targets, share, args):
    """Eq. 12-14 image by image: clean term, adversarial term, gradient by weight."""
    terms = [image_loss(weight, bias, zi, t) for zi, t in zip(z, targets)]
    clean, adversarial, weight_grad = 0, 0, 0
    for i, label in enumerate(labels):
        grad = terms[i][2]
        norm = math.sqrt(sum(grad**2))
        if args['grad_norm'] == 'class':
            mates = [term[2] for term, other in zip(terms, labels) if other == label]
            norm = math.sqrt(sum(sum(g**2) for g in mates))
        factor = math.log(max(COUNTS) / COUNTS[label] + 0.01) / 2
        step, image_weight = args['adv_step'], share
        if args['step_rule'] == 'log_frequency':
            step *= factor
        if args['adv_image_weight'] == 'log_frequency':
            image_weight *= factor
        moved = z[i] + step * grad / norm
        moved_loss, moved_grad, _ = image_loss(weight, bias, moved, targets[i])
        clean += (1 - share) * terms[i][0] / len(z)
        adversarial += image_weight * moved_loss / len(z)
        weight_grad += (1 - share) * np.outer(terms[i][1], z[i]) / len(z)
        weight_grad += image_weight * np.outer(moved_grad, moved) / len(z)
    return clean, adversarial, weight_grad


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(['hard', 'soft', 'weighted', 'smooth']),
    grad_norm=st.sampled_from(['sample', 'class']),
    step_rule=st.sampled_from(['constant', 'log_frequency']),
    adv_image_weight=st.sampled_from(['equal', 'log_frequency']),
    adv_step=st.floats(0.1, 10),
    max_adv_weight=st.floats(0, 1),
    epoch=st.integers(0, 9),
    batch=st.integers(1, 9),
    seed=st.integers(0, 10**6),
)
def test_losses_and_gradients_equal_naive_loop(
    kind,
    grad_norm,
    step_rule,
    adv_image_weight,
    adv_step,
    max_adv_weight,
    epoch,
    batch,
    seed,
):
    """Oracle: NumPy formulas of one image at a time, float64, 1e-9 relative or so."""
    rng = np.random.default_rng(seed)
    z, weight, bias = (rng.normal(size=s) for s in ((batch, 5), (4, 5), 4))
    labels, class_weight = rng.integers(0, 4, size=batch), [0.2, 1.0, 2.0, 3.0]
    samples, targets = make_samples(labels), np.eye(4)[labels]
    loss = dict(type='CrossEntropyLoss')
    if kind == 'soft':
        targets = rng.dirichlet(np.ones(4), size=batch)
        samples = make_samples(labels, targets)
        labels, loss = targets.argmax(axis=1), dict(loss, use_soft=True)
    elif kind == 'weighted':
        targets, loss = targets * class_weight, dict(loss, class_weight=class_weight)
    elif kind == 'smooth':
        # MMPretrain smooths in float32, which holds a quarter exactly.
        targets = 0.75 * targets + 0.0625
        loss = dict(type='LabelSmoothLoss', label_smooth_val=0.25, mode='original')

    args = dict(adv_step=adv_step, step_rule=step_rule, grad_norm=grad_norm)
    args['adv_image_weight'] = adv_image_weight
    head = AdversarialFeatureHead(
        4, 5, loss=loss, max_adv_weight=max_adv_weight, class_counts=COUNTS, **args
    ).double()
    head.fc.load_state_dict(
        dict(weight=torch.from_numpy(weight), bias=torch.from_numpy(bias))
    )
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(epoch=epoch, max_epochs=10, iter=0, max_iters=99))
    feats = torch.from_numpy(z).requires_grad_()
    losses = head.loss((feats,), samples)
    (losses['loss_clean'] + losses['loss_adv']).backward()

    share = min((epoch + 1) / 10, max_adv_weight)
    clean, adv, grad = naive_stage2(weight, bias, z, labels, targets, share, args)
    # MMPretrain's losses round the weights of images to float32.
    rel = 1e-9 if adv_image_weight == 'equal' else 1e-6
    assert losses['loss_clean'].item() == pytest.approx(clean, rel=1e-9)
    assert losses['loss_adv'].item() == pytest.approx(adv, rel=rel)
    assert losses['adv_weight'].item() == pytest.approx(share)
    np.testing.assert_allclose(head.fc.weight.grad, grad, rtol=10 * rel, atol=rel / 1e3)
    assert feats.grad is None


def test_each_image_moves_by_the_step():
    """The step has the length asked for, also where squares would underflow."""
    head = AdversarialFeatureHead(2, 3, adv_step=2.5)
    grad = torch.tensor([[3.0, 4, 0], [1e-30, 0, 0], [0, 0, 0], [1e30, 1e30, 0]])
    moved = head._perturbation(grad, torch.zeros(4, dtype=torch.long))
    assert moved.norm(dim=1).tolist() == pytest.approx([2.5, 2.5, 0, 2.5])


def test_zero_gradient_means_no_step():
    head = AdversarialFeatureHead(3, 4)
    for param in head.fc.parameters():
        nn.init.zeros_(param)  # the loss does not depend on the features
    losses = head.loss((torch.randn(5, 4),), make_samples([0, 1, 2, 0, 1]))
    assert losses['loss_adv'].item() == pytest.approx(math.log(3))
    assert losses['loss_clean'].item() == 0


def test_progress_counts_epochs_or_iterations(hub):
    head = AdversarialFeatureHead(2, 3, max_adv_weight=0.8)
    assert head._adv_weight() == 0.8  # outside a training loop
    hub.update_info_dict(dict(epoch=0, max_epochs=10, iter=7, max_iters=1000))
    assert head._adv_weight() == pytest.approx(0.1)
    hub.update_info_dict(dict(epoch=4, iter=400))
    assert head._adv_weight() == pytest.approx(0.5)
    hub.update_info_dict(dict(epoch=9))
    assert head._adv_weight() == 0.8
    hub.update_info_dict(dict(epoch=0, max_epochs=1, iter=9, max_iters=40))
    assert head._adv_weight() == pytest.approx(0.25)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(dtype):
    """Sure images: half precision would round their gradients to zero."""
    head, labels = AdversarialFeatureHead(3, 8, adv_step=3.0), [0, 1, 2, 0]
    head.fc.load_state_dict(dict(weight=10 * torch.eye(3, 8), bias=torch.zeros(3)))
    z = 2 * torch.eye(3, 8)[labels]
    expected = head.loss((z,), make_samples(labels))
    with torch.autocast('cpu', dtype=dtype):
        losses = head.loss((z,), make_samples(labels))
    clean = AdversarialFeatureHead(3, 8, max_adv_weight=0)
    clean.load_state_dict(head.state_dict())
    assert clean.loss((z,), make_samples(labels))['loss_clean'] < 1e-7
    assert expected['loss_adv'] > 1e-3
    assert losses['loss_adv'].item() == expected['loss_adv'].item()
    half = head.loss((z.to(dtype),), make_samples(labels))
    assert half['loss_adv'].item() == pytest.approx(
        expected['loss_adv'].item(), rel=0.1
    )


def test_seesaw_loss_counts_a_batch_once():
    """Two batches: state and values are those of one evaluation per batch."""
    torch.manual_seed(0)
    cfg = dict(type='SeesawLoss', num_classes=3)
    head = AdversarialFeatureHead(3, 4, loss=cfg, max_adv_weight=0.5)
    plain = SeesawLoss(num_classes=3)
    buffer = head.loss_module.cum_samples
    for labels in ([0, 0, 2], [1, 0, 0]):
        z = torch.randn(3, 4)
        losses = head.loss((z,), make_samples(labels))
        target = torch.tensor(labels)
        before = plain.cum_samples.clone()
        z.requires_grad_()
        clean = plain(head.fc(z), target)
        step = torch.autograd.grad(clean, z)[0]
        moved = z.detach() + step / step.norm(dim=1, keepdim=True)
        again = SeesawLoss(num_classes=3)
        again.cum_samples.copy_(before)
        adversarial = again(head.fc(moved), target)
        torch.testing.assert_close(losses['loss_clean'], clean / 2)
        torch.testing.assert_close(losses['loss_adv'], adversarial / 2)
        assert head.loss_module.cum_samples.tolist() == plain.cum_samples.tolist()
    assert plain.cum_samples.tolist() == [4, 1, 1]
    assert head.loss_module.cum_samples is buffer  # DDP holds on to it


def test_distributed_wrapper_sees_the_same_gradients(tmp_path):
    """The inner gradient triggers no reduction; one process, gloo."""
    torch.manual_seed(0)
    model = stage2(loss=dict(type='SeesawLoss', num_classes=3))
    model.head.forward = model.head.loss
    z, samples = torch.randn(5, 4), make_samples([0, 1, 2, 0, 1])
    expected = copy.deepcopy(model.head)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        wrapped = nn.parallel.DistributedDataParallel(model.head)
        for _ in range(2):
            for head, loss in ((expected, expected.loss), (wrapped, wrapped)):
                head.zero_grad()
                losses = loss((z,), samples)
                (losses['loss_clean'] + losses['loss_adv']).backward()
            for got, want in zip(model.head.parameters(), expected.parameters()):
                assert want.grad.abs().sum() > 0
                torch.testing.assert_close(got.grad, want.grad)
    finally:
        torch.distributed.destroy_process_group()


def test_accuracy_is_logged_and_loss_works_without_gradients():
    head = AdversarialFeatureHead(3, 4, cal_acc=True)
    with torch.no_grad():
        losses = head.loss((torch.randn(2, 4),), make_samples([0, 1]))
    assert {'accuracy_top-1', 'loss_adv'} <= set(losses)
    assert losses['loss_adv'] > losses['loss_clean']


def test_class_counts_come_from_the_message_hub(hub):
    z, samples = torch.randn(2, 3), make_samples([0, 1])
    head = AdversarialFeatureHead(2, 3, step_rule='log_frequency')
    with pytest.raises(RuntimeError, match='ClassCountsHook.*model.head.class_counts'):
        head.loss((z,), samples)
    hub.update_info('dataset_meta', dict(class_counts=[50, 2]))
    given_counts = AdversarialFeatureHead(
        2, 3, step_rule='log_frequency', class_counts=[50, 2]
    )
    given_counts.load_state_dict(head.state_dict())
    expected = given_counts.loss((z,), samples)
    assert head.loss((z,), samples)['loss_adv'].item() == expected['loss_adv'].item()


@pytest.mark.parametrize(
    'args, message',
    [
        (dict(adv_step=0), 'model.head.adv_step to a number > 0'),
        (dict(adv_step=float('nan')), 'model.head.adv_step'),
        (dict(step_rule='log'), "model.head.step_rule to 'constant' or"),
        (dict(grad_norm='batch'), "model.head.grad_norm to 'sample' or 'class'"),
        (dict(adv_image_weight=2), "model.head.adv_image_weight to 'equal' or"),
        (dict(max_adv_weight=1.5), 'model.head.max_adv_weight to a number from 0 to 1'),
        (dict(class_counts=[3, 2]), 'class_counts has 2 entries.* 3 classes'),
        (dict(class_counts=[3, 0, 2]), r'class_counts\[1\] is 0'),
    ],
)
def test_bad_arguments_name_the_key(args, message):
    with pytest.raises(ValueError, match=message):
        AdversarialFeatureHead(3, 4, **args)


class Model(nn.Module):
    """What a checkpoint is loaded into: a trunk and a head."""

    def __init__(self, head):
        super().__init__()
        self.backbone = nn.Linear(2, 4)
        self.head = head


def stage2(**kwargs):
    return Model(AdversarialFeatureHead(3, 4, **kwargs))


def load(model, other, tmp_path):
    """Load ``other`` as MMEngine does; return the old classifier and the log."""
    own = model.head.fc.weight.detach().clone()
    path = str(tmp_path / 'other.pth')
    save_checkpoint(dict(meta={}, state_dict=other.state_dict()), path)
    load_checkpoint(model, path)
    assert torch.equal(model.backbone.weight, other.backbone.weight)
    return own


@pytest.mark.parametrize('num_classes', [3, 7])
def test_reset_classifier_ignores_stage_1(tmp_path, capsys, num_classes):
    model = stage2(reset_classifier=True)
    own = load(model, Model(LinearClsHead(num_classes, 4)), tmp_path)
    assert torch.equal(model.head.fc.weight, own)
    assert isinstance(model.head.fc.weight, nn.Parameter)
    assert 'do not match' not in capsys.readouterr().out


def test_without_reset_stage_1_is_loaded(tmp_path, capsys):
    model, other = stage2(), Model(LinearClsHead(3, 4))
    load(model, other, tmp_path)
    assert torch.equal(model.head.fc.weight, other.head.fc.weight)
    assert 'do not match' not in capsys.readouterr().out


def test_reset_classifier_loads_its_own_checkpoint(tmp_path, capsys):
    """What a resumed training and a test do."""
    model, other = stage2(reset_classifier=True), stage2(reset_classifier=True)
    load(model, other, tmp_path)
    assert torch.equal(model.head.fc.weight, other.head.fc.weight)
    assert torch.equal(model.head.fc.bias, other.head.fc.bias)
    model.load_state_dict(other.state_dict(), strict=True)
    assert 'do not match' not in capsys.readouterr().out
