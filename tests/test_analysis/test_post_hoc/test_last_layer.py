# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.registry import MODELS

from ccsam_mm.analysis.post_hoc.last_layer import (
    last_layer,
    last_layer_name,
    score_scale,
)
from ccsam_mm.evaluation.post_hoc import Outputs


class ScaledHead(LinearClsHead):
    """Scales the scores after its linear layer."""

    def forward(self, feats):
        """Scores."""
        return 2 * super().forward(feats)


def look(head):
    torch.manual_seed(0)
    features = torch.randn(6, 4)
    with torch.no_grad():
        logits = head((features,))
    return last_layer(head, last_layer_name(head), Outputs(features, logits, None))


def test_a_plain_layer_is_found():
    head = LinearClsHead(num_classes=3, in_channels=4)
    layer = look(head)
    assert torch.equal(layer.weight, head.fc.weight)
    assert torch.equal(layer.bias, head.fc.bias)


def test_a_layer_without_bias_has_one_of_zeros():
    head = LinearClsHead(num_classes=3, in_channels=4)
    head.fc = torch.nn.Linear(4, 3, bias=False)
    assert look(head).bias.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    'head',
    [
        ScaledHead(num_classes=3, in_channels=4),
        MODELS.build(dict(type='CosineLinearClsHead', num_classes=3, in_channels=4)),
    ],
    ids=['scaled', 'cosine'],
)
def test_other_scores_have_no_layer(head):
    assert look(head) is None


@pytest.mark.parametrize(
    ('loss', 'scale'),
    [
        (dict(type='CrossEntropyLoss'), 1),
        (dict(type='LDAMLoss', scale=20.0, class_counts=[9, 3, 1]), 20),
        (dict(type='BalancedSoftmaxLoss', class_counts=[9, 3, 1]), 1),
    ],
)
def test_factor_of_the_loss(loss, scale):
    head = LinearClsHead(num_classes=3, in_channels=4, loss=loss)
    assert score_scale(head) == scale
