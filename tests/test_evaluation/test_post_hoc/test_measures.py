# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np
import pytest
import torch

from ccsam_mm.evaluation import CalibrationMetric, ShotAccuracy
from ccsam_mm.evaluation.post_hoc import choose, measure

COUNTS = [500, 50, 5]


def test_are_those_of_the_metrics():
    torch.manual_seed(0)
    scores, labels = 3 * torch.randn(90, 3), torch.arange(90) % 3
    prior = np.array([0.5, 0.3, 0.2])
    found = measure(scores, labels, COUNTS, prior)
    pred = scores.argmax(dim=1).numpy()
    expected = ShotAccuracy.calculate(pred, labels.numpy(), COUNTS)
    accuracy = ShotAccuracy.class_accuracy(pred, labels.numpy(), 3)
    expected['target'] = float((accuracy * prior).sum())
    confidence = scores.softmax(dim=1).max(dim=1).values.numpy()
    errors = CalibrationMetric.calculate(confidence, pred == labels.numpy(), labels)
    expected['ece'] = errors['ece']
    assert found == pytest.approx(expected, rel=1e-5)
    assert 'ece' not in measure(scores, labels, COUNTS, prior, with_ece=False)


def test_classes_without_images_count_in_no_mean():
    scores, labels = torch.eye(3)[[0, 1, 0]], torch.tensor([0, 1, 1])
    found = measure(scores, labels, COUNTS, np.array([0.2, 0.3, 0.5]))
    assert found['target'] == pytest.approx(100 * 0.4 + 50 * 0.6)
    assert 'few' not in found


def test_a_tie_picks_the_weakest_change():
    assert choose([60.0, 60.0, 59.0]) == 0
    assert choose([59.0, 60.0, 60.0 + 1e-12, 58.0]) == 1
    assert choose([59.0, 60.0, 60.1]) == 2
