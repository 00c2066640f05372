# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import ccsam_mm  # noqa: F401
from ccsam_mm.engine.passes.perturbed_parameters import find_linear_classifier

CONFIG = dict(type='CosineLinearClsHead', num_classes=3, in_channels=4)


def test_scores_are_cosines_times_the_scale():
    head = MODELS.build(dict(CONFIG, scale=16.0)).double()
    features = torch.randn(5, 4, dtype=torch.float64)
    scores = head((features,))
    for i, row in enumerate(features):
        for c, weight in enumerate(head.fc.weight):
            cosine = (row @ weight) / (row.norm() * weight.norm())
            assert scores[i, c].item() == pytest.approx(16 * cosine.item(), rel=1e-12)
    torch.testing.assert_close(head((7 * features,)), scores)


def test_starts_with_unit_vectors_which_initialisation_keeps():
    head = MODELS.build(CONFIG)
    torch.testing.assert_close(head.fc.weight.norm(dim=1), torch.ones(3))
    before = head.fc.weight.detach().clone()
    head.init_weights()
    assert torch.equal(head.fc.weight, before)


def test_the_label_of_the_largest_cosine_is_predicted():
    head = MODELS.build(CONFIG)
    with torch.no_grad():
        head.fc.weight.copy_(torch.eye(4)[:3])
    samples = head.predict((torch.tensor([[0.1, 0.3, 0.2, 9.0]]),), [DataSample()])
    assert samples[0].pred_label.item() == 1


def test_is_no_plain_linear_layer_for_the_closed_form():
    model = torch.nn.Module()
    model.head = MODELS.build(CONFIG)
    assert find_linear_classifier(model, ['head.fc.weight']) is None
