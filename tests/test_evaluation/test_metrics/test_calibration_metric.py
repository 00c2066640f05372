# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: loops over bins and images in Python's own numbers."""

import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from ccsam_mm.evaluation import CalibrationMetric
from ccsam_mm.evaluation.calibration import reliability_bins
from ccsam_mm.evaluation.metrics import calibration_metric

COUNTS = [500, 50, 5]


def by_loops(confidence, right, num_bins):
    """Expected and maximum error, bin by bin."""
    ece, mce = 0.0, 0.0
    for b in range(num_bins):
        low, high = b / num_bins, (b + 1) / num_bins
        inside = [
            i
            for i, c in enumerate(confidence)
            if low < c <= high or (b == 0 and c == 0)
        ]
        if inside:
            accuracy = sum(right[i] for i in inside) / len(inside)
            gap = abs(accuracy - sum(confidence[i] for i in inside) / len(inside))
            ece += 100 * gap * len(inside) / len(confidence)
            mce = max(mce, 100 * gap)
    return ece, mce


images = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])),
        st.booleans(),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=60,
)


@given(images=images, num_bins=st.sampled_from([1, 2, 5, 15]))
@settings(deadline=None, max_examples=150)
def test_equals_loops(images, num_bins):
    confidence, right, target = zip(*images)
    metrics = CalibrationMetric.calculate(
        confidence, right, target, COUNTS, num_bins=num_bins
    )
    ece, mce = by_loops(confidence, right, num_bins)
    assert metrics['ece'] == pytest.approx(ece, abs=1e-9)
    assert metrics['mce'] == pytest.approx(mce, abs=1e-9)
    assert metrics['confidence'] == pytest.approx(100 * sum(confidence) / len(images))
    for label, name in enumerate(('many', 'medium', 'few')):
        own = [image for image in images if image[2] == label]
        assert (f'ece_{name}' in metrics) == bool(own)
        if own:
            ece, _ = by_loops(*list(zip(*own))[:2], num_bins)
            assert metrics[f'ece_{name}'] == pytest.approx(ece, abs=1e-9)
    assert all(type(value) is float for value in metrics.values())


def test_known_limits():
    bins = reliability_bins([1.0000001, 0.0], [1, 0])  # a rounded softmax, and no mass
    assert bins['count'].tolist() == [1] + 13 * [0] + [1]
    perfect = CalibrationMetric.calculate([1.0] * 4, [1] * 4, [0] * 4)
    assert perfect == dict(ece=0, mce=0, confidence=100)
    sure_and_wrong = CalibrationMetric.calculate([1.0] * 4, [0] * 4, [0] * 4)
    assert sure_and_wrong['ece'] == sure_and_wrong['mce'] == 100
    # One bin: the difference of mean confidence and accuracy.
    one = CalibrationMetric.calculate([0.9, 0.5], [1, 0], [0, 0], num_bins=1)
    assert one['ece'] == pytest.approx(20)


def samples(scores, labels):
    return [
        DataSample().set_pred_score(score).set_gt_label(int(label)).to_dict()
        for score, label in zip(scores, labels)
    ]


def random_images(size=50):
    generator = torch.Generator().manual_seed(0)
    scores = (3 * torch.randn(size, 3, generator=generator)).softmax(dim=1)
    return scores, torch.randint(0, 3, (size,), generator=generator)


def test_evaluator_in_batches(tmp_path):
    scores, labels = random_images()
    config = dict(type='mmpretrain.CalibrationMetric', plot=str(tmp_path / 'new'))
    evaluator = Evaluator([config])
    evaluator.dataset_meta = dict(class_counts=COUNTS)
    for part in range(0, 50, 20):
        data = samples(scores[part : part + 20], labels[part : part + 20])
        evaluator.metrics[0].process(None, data)
    metrics = evaluator.evaluate(50)
    nll = brier = 0.0
    for p, y in zip(scores.tolist(), labels.tolist()):
        nll -= math.log(p[y]) / 50
        brier += sum((p[c] - (c == y)) ** 2 for c in range(3)) / 50
    assert metrics['calibration/nll'] == pytest.approx(nll, rel=1e-6)
    assert metrics['calibration/brier'] == pytest.approx(brier, rel=1e-6)
    confidence, pred = scores.max(dim=1)
    right = (pred == labels).tolist()
    expected = CalibrationMetric.calculate(
        confidence.tolist(), right, labels.tolist(), COUNTS
    )
    for name, value in expected.items():
        assert metrics[f'calibration/{name}'] == pytest.approx(value)
    picture = tmp_path / 'new' / 'calibration.png'
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert list(picture.parent.iterdir()) == [picture]


def test_without_counts_there_are_no_groups():
    metric = CalibrationMetric()
    metric.process(None, samples(*random_images()))
    names = {name.split('/')[1] for name in metric.evaluate(50)}
    assert names == {'ece', 'mce', 'confidence', 'nll', 'brier'}


@pytest.mark.parametrize(('scale', 'is_warned'), [(1.0, True), (1.2, False)])
def test_softmax_of_cosines_is_a_warning(scale, is_warned, monkeypatch):
    """Every prediction is right, and the most certain that cosines allow."""
    said = []
    monkeypatch.setattr(
        calibration_metric, 'print_log', lambda message, *_: said.append(message)
    )
    cosines = 2 * torch.eye(3, dtype=torch.float64) - 1
    metric = CalibrationMetric(class_counts=COUNTS)
    metric.process(None, samples((scale * cosines).softmax(dim=1).float(), range(3)))
    metric.evaluate(3)
    assert ['softmax of cosines' in message for message in said] == [True] * is_warned


def test_a_probability_of_zero_has_a_finite_likelihood():
    metric = CalibrationMetric()
    metric.process(None, samples(torch.tensor([[1.0, 0.0]]), [1]))
    assert 80 < metric.evaluate(1)['calibration/nll'] < 100


@pytest.mark.parametrize(
    ('scores', 'label', 'said'),
    [
        ([0.5, float('nan'), 0.5], 0, 'scores that are NaN.*not diverged'),
        ([0.5, 0.5], 0, 'scores 2 classes, but class_counts has 3'),
        ([0.5, 0.2, 0.3], -1, 'CalibrationMetric met the label -1, an unknown class'),
        ([0.5, 0.2, 0.3], 3, 'CalibrationMetric met the label 3'),
        ([2.0, 0.2, 0.3], 0, 'add up to 1, but those of an image are 1.5 off'),
        ([1.5, -0.5, 0.0], 0, 'or negative: take it out'),
        (None, 0, 'gives no `pred_score`: take it out'),
    ],
)
def test_unusable_images_are_refused(scores, label, said):
    sample = DataSample().set_gt_label(label)
    if scores is not None:
        sample.set_pred_score(torch.tensor(scores))
    with pytest.raises(ValueError, match=said):
        CalibrationMetric(class_counts=COUNTS).process(None, [sample.to_dict()])


def test_unusable_options_are_refused():
    for bad in (0, 1.5, True, '15'):
        with pytest.raises(ValueError, match='num_bins=.* an integer >= 1'):
            CalibrationMetric(num_bins=bad)
    with pytest.raises(ValueError, match='`shot_rule` of CalibrationMetric'):
        CalibrationMetric(shot_rule='loose')
    with pytest.raises(ValueError, match='no image at all'):
        CalibrationMetric().evaluate(0)


@pytest.mark.slow
def test_ranks_equal_one_process(tmp_path):
    script = Path(__file__).with_name('closed_set_ranks.py')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += ['--nproc_per_node=2', str(script), str(tmp_path)]
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3]))
    result = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    evaluate = runpy.run_path(str(script))['evaluate']
    expected = evaluate(range(41))
    assert expected.keys() >= {'calibration/ece_few', 'accuracy/backward_5'}
    for rank in range(2):
        written = torch.load(tmp_path / f'rank{rank}.pth')
        assert written == pytest.approx(expected)
