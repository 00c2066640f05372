# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the two formulas in plain Python, and values of the authors' code."""

import math

import pytest
import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.registry import MODELS

CONFIG = dict(type='DisAlignClsHead', num_classes=3, in_channels=4)


def test_start_of_the_released_code():
    head = MODELS.build(CONFIG)
    with torch.no_grad():
        head.fc.weight.copy_(torch.arange(12.0).reshape(3, 4) / 10 - 0.5)
        head.fc.bias.copy_(torch.tensor([0.1, 0.0, -0.1]))
        head.confidence.bias.zero_()
    features = torch.tensor([[1, 2, 0, 0.5], [0.2, 0.1, 1, 0]])
    expected = torch.tensor([[-2.062603, 0, 2.062603], [-0.521034, 0.122596, 0.766227]])
    torch.testing.assert_close(head((features,)), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize('form', ['released', 'paper'])
def test_scores_follow_the_formula(form):
    head = MODELS.build(dict(CONFIG, form=form)).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    features = torch.randn(5, 4, dtype=torch.float64)
    scores = head((features,))
    for i, row in enumerate(features.tolist()):
        (v,), (u,) = head.confidence.weight.tolist(), head.confidence.bias.tolist()
        confidence = 1 / (1 + math.exp(-sum(a * b for a, b in zip(v, row)) - u))
        for c in range(3):
            weight, bias = head.fc.weight[c].tolist(), float(head.fc.bias[c])
            z = sum(a * b for a, b in zip(weight, row)) + bias
            alpha, beta = float(head.magnitude[c]), float(head.margin[c])
            if form == 'released':
                expected = (1 + confidence * alpha) * z + confidence * beta
            else:
                expected = confidence * (alpha * z + beta) + (1 - confidence) * z
            assert scores[i, c].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('form', ['released', 'paper'])
def test_predicts_as_stage_1_before_training(form):
    stage1 = LinearClsHead(num_classes=3, in_channels=4)
    head = MODELS.build(dict(CONFIG, form=form))
    head.load_state_dict(stage1.state_dict(), strict=False)
    features = torch.randn(50, 4)
    predicted = head((features,)).argmax(dim=1)
    assert torch.equal(predicted, stage1((features,)).argmax(dim=1))


def test_initialisation_keeps_the_start_of_the_confidence():
    head = MODELS.build(CONFIG)
    bias, weight = head.confidence.bias.clone(), head.fc.weight.clone()
    head.init_weights()
    assert torch.equal(head.confidence.weight, torch.full((1, 4), 0.1))
    assert torch.equal(head.confidence.bias, bias) and bias != 0
    assert not torch.equal(head.fc.weight, weight)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="form='code': set model.head.form"):
        MODELS.build(dict(CONFIG, form='code'))
