# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import MODELS

from ccsam_mm.analysis.post_hoc import RecordedSets
from ccsam_mm.analysis.post_hoc.notes import notes
from ccsam_mm.evaluation.post_hoc import Outputs


@pytest.mark.parametrize(
    ('loss', 'is_said'),
    [
        (dict(type='CrossEntropyLoss'), False),
        (dict(type='LDAMLoss', class_counts=[9, 3]), True),
    ],
)
def test_calibration_of_scaled_scores_means_nothing(loss, is_said):
    head = MODELS.build(
        dict(type='CosineLinearClsHead', num_classes=2, in_channels=4, loss=loss)
    )
    images = Outputs(torch.eye(2), torch.eye(2), torch.tensor([0, 1]))
    sets = RecordedSets(images, images, images, [9, 3], False)
    found = notes(Config(dict(train_dataloader=dict())), head, sets, has_layer=False)
    assert any('multiplies the scores by 30' in line for line in found) == is_said
