# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Losses that see more than the scores: exact, or refused."""

import copy

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from mmpretrain.registry import MODELS
from tiny_network import tiny_batch, tiny_model
from torch import nn
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

LinearClsHead = MODELS.get('LinearClsHead')


class Centers(LinearClsHead):
    """Pulls the features together: a loss that no score is part of."""

    def loss(self, feats, data_samples, **kwargs):
        losses = super().loss(feats, data_samples, **kwargs)
        return dict(losses, loss_center=feats[-1].square().sum(dim=1).mean())


class Penalty(LinearClsHead):
    """A penalty on the norm of the classifier's weight."""

    def loss(self, feats, data_samples, **kwargs):
        losses = super().loss(feats, data_samples, **kwargs)
        return dict(losses, loss_norm=self.fc.weight.square().sum())


class Orthogonal(LinearClsHead):
    """A penalty within the one loss."""

    def loss(self, feats, data_samples, **kwargs):
        losses = super().loss(feats, data_samples, **kwargs)
        gram = self.fc.weight @ self.fc.weight.T
        losses['loss'] = losses['loss'] + 0.1 * (gram - torch.eye(5)).norm()
        return losses


class Temperature(LinearClsHead):
    """A parameter between the scores and the loss."""

    def loss(self, feats, data_samples, **kwargs):
        scores = self(feats) * self.temperature
        return self._get_loss(scores, data_samples, **kwargs)


def build_model(head):
    model = tiny_model()
    model.head.__class__ = head
    if head is Temperature:
        model.head.temperature = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    return model


@pytest.mark.parametrize('wrapper', ['ImbSAMOptimWrapper', 'FocalSAMOptimWrapper'])
@pytest.mark.parametrize(
    'head, name',
    [
        (Centers, 'backbone'),
        (Penalty, 'head.fc.weight'),
        (Orthogonal, 'head.fc.weight'),
        (Temperature, 'head.temperature'),
    ],
)
def test_a_loss_beside_the_scores_would_count_twice(wrapper, head, name):
    model = build_model(head)
    wrapper = build_wrapper(model, type=wrapper)
    with pytest.raises(RuntimeError, match=f"depends on '{name}.*SAMOptimWrapper"):
        model.train_step(tiny_batch([0, 0, 1, 4]), wrapper)


@pytest.mark.parametrize('perturb', ['head', '', 'backbone'])
@pytest.mark.parametrize('head', [Centers, Temperature])
def test_class_reduction_can_not_weigh_a_loss_beside_the_scores(head, perturb):
    model, batch = build_model(head), tiny_batch([0, 0, 1, 4])
    perturb = ['head.fc', 'backbone'] if (perturb, head) == ('', Temperature) else (
        perturb.replace('head', 'head.fc')
    )  # fmt: skip
    wrapper = build_wrapper(model, perturb=perturb, class_reduction='class')
    with pytest.raises(RuntimeError, match="class_reduction='sample'"):
        model.train_step(batch, wrapper)
    model.train_step(batch, build_wrapper(model, perturb=perturb))


def test_a_loss_on_features_is_exact_where_images_count_the_same():
    model, batch = build_model(Centers), tiny_batch([0, 0, 1, 4])
    expected = brute_force_gradients(copy.deepcopy(model), batch, cross_entropy, COUNTS)
    network = copy.deepcopy(model)
    feats = network.extract_feat(batch['inputs'])[-1]
    feats.square().sum(dim=1).mean().backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            expected[name] += parameter.grad
    actual = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('perturb', ['head', '', ['backbone.conv', 'head']])
@pytest.mark.parametrize('head', [Penalty, Orthogonal])
def test_a_loss_that_reads_the_perturbed_weight_is_refused(head, perturb):
    model, batch = build_model(head), tiny_batch([0, 0, 1, 4])
    with pytest.raises(RuntimeError, match="reads 'head.fc.weight' itself"):
        model.train_step(batch, build_wrapper(model, perturb=perturb))
    # Where it is not perturbed, there is nothing that the loss could miss.
    model.train_step(batch, build_wrapper(model, perturb='backbone'))
    model.train_step(batch, build_wrapper(model, type='SAMOptimWrapper'))
