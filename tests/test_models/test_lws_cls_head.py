# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from ccsam_mm.models.classifiers import DecoupledClassifier

CONFIG = dict(type='LWSClsHead', num_classes=3, in_channels=4)


def test_scores_are_those_of_the_layer_times_the_factors():
    head = MODELS.build(CONFIG).double()
    features = torch.randn(5, 4, dtype=torch.float64)
    with torch.no_grad():
        head.scale.copy_(torch.tensor([0.5, 1.0, 3.0]))
        head.fc.bias.copy_(torch.tensor([1.0, -1.0, 2.0]))
    scores = head((features,)).detach()
    head.requires_grad_(False)
    for i, row in enumerate(features):
        for c in range(3):
            product = sum(float(w * f) for w, f in zip(head.fc.weight[c], row))
            expected = float(head.scale[c]) * (product + float(head.fc.bias[c]))
            assert scores[i, c].item() == pytest.approx(expected, rel=1e-12)


def test_starts_as_stage_1_predicts():
    stage1 = LinearClsHead(num_classes=3, in_channels=4)
    head = MODELS.build(CONFIG)
    missing, unexpected = head.load_state_dict(stage1.state_dict(), strict=False)
    assert missing == ['scale'] and not unexpected
    features = torch.randn(5, 4)
    assert torch.equal(head((features,)), stage1((features,)))


def test_loads_a_linear_layer_of_another_name():
    model = torch.nn.Module()
    model.head = MODELS.build(CONFIG)
    weight, bias = torch.randn(3, 4), torch.randn(3)
    state = {'head.layers.head.weight': weight, 'head.layers.head.bias': bias}
    assert model.load_state_dict(state, strict=False).missing_keys == ['head.scale']
    assert torch.equal(model.head.fc.weight, weight)


@pytest.mark.parametrize('learns_layer', [False, True])
def test_learns_the_factors_alone_or_with_the_layer(learns_layer):
    """LWS freezes the layer by the classifier's argument, MiSLAS does not."""
    frozen = ('backbone', 'neck') if learns_layer else ('backbone', 'neck', 'head.fc')
    model = DecoupledClassifier(
        backbone=dict(type='CIFARResNet', depth=8),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(CONFIG, in_channels=64),
        frozen=frozen,
    ).train()
    samples = [DataSample().set_gt_label(label) for label in (0, 2)]
    model.loss(torch.randn(2, 3, 32, 32), samples)['loss'].backward()
    learned = {name for name, p in model.named_parameters() if p.grad is not None}
    layer = {'head.fc.weight', 'head.fc.bias'} if learns_layer else set()
    assert learned == {'head.scale'} | layer


def test_the_gradient_of_a_factor():
    """Oracle: d loss / d s_c = sum over images of (p_c - [c = y]) a_c / B."""
    head = MODELS.build(CONFIG).double()
    features = torch.randn(6, 4, dtype=torch.float64)
    labels = [0, 1, 2, 0, 0, 1]
    samples = [DataSample().set_gt_label(label) for label in labels]
    head.loss((features,), samples)['loss'].backward()
    plain = head.fc(features.detach()).detach()
    shares = plain.softmax(dim=1).tolist()
    for c in range(3):
        terms = [
            (shares[i][c] - (y == c)) * plain[i, c].item() for i, y in enumerate(labels)
        ]
        assert head.scale.grad[c].item() == pytest.approx(sum(terms) / 6)
