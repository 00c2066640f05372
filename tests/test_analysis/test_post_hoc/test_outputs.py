# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmengine.model import BaseDataPreprocessor
from mmpretrain.models.heads import LinearClsHead, MultiLabelLinearClsHead
from tiny_network import tiny_batch, tiny_model

from ccsam_mm.analysis.post_hoc.outputs import record_outputs


def record(model, labels=(0, 1, 4), count=2):
    batches = [tiny_batch(list(labels), dtype=torch.float32, seed=i) for i in (0, 1)]
    lines = []
    return record_outputs(model, batches[:count], 'They', lines.append), lines


def test_features_and_scores_are_those_of_single_images():
    model = tiny_model(dtype=torch.float32).eval()
    outputs, lines = record(model)
    assert outputs.labels.tolist() == [0, 1, 4, 0, 1, 4]
    assert lines == ['They: batch 1 of 2', 'They: batch 2 of 2']
    for i in range(6):
        batch = tiny_batch([0, 1, 4], dtype=torch.float32, seed=i // 3)
        image = batch['inputs'][i % 3][None]
        with torch.no_grad():
            feature = model.backbone(image)[0]
        torch.testing.assert_close(outputs.features[i], feature[0])
        torch.testing.assert_close(
            outputs.logits[i], model.head.fc(feature)[0].detach()
        )
    assert not outputs.features.requires_grad


def test_other_models_are_refused():
    class NoVector(LinearClsHead):
        def pre_logits(self, feats):
            return feats[-1][:1]

    nan = tiny_model(dtype=torch.float32).eval()
    torch.nn.init.constant_(nan.head.fc.bias, float('nan'))
    several = tiny_model(dtype=torch.float32).eval()
    several.head = MultiLabelLinearClsHead(num_classes=5, in_channels=4)
    no_vector = tiny_model(dtype=torch.float32).eval()
    no_vector.head = NoVector(num_classes=5, in_channels=4)
    for model, said in (
        (BaseDataPreprocessor(), 'BaseDataPreprocessor is no classifier with'),
        (nan, 'They get features or scores that are NaN'),
        (several, 'MultiLabelLinearClsHead does not predict the softmax'),
        (no_vector, 'NoVector has no `pre_logits` of one feature vector'),
    ):
        with pytest.raises(ValueError, match=said):
            record(model)
    model = tiny_model(dtype=torch.float32).eval()
    with pytest.raises(ValueError, match='post_hoc.py met the label -1, an unknown'):
        record(model, labels=(0, -1, 1))
    with pytest.raises(ValueError, match='They have no image'):
        record(model, count=0)
