# Copyright (c) ccsam_mm contributors. All rights reserved.
import json

import numpy as np
import pytest
from matplotlib.image import imread

from ccsam_mm.evaluation import OpenSetMetric
from ccsam_mm.evaluation.open_set import (
    open_set_curve,
    plot_open_set,
    write_open_set_report,
)


def images(num=3000):
    """Knowns of three classes, most of them right, and a third of unknowns."""
    rng = np.random.default_rng(0)
    target = rng.integers(-1, 3, num)
    pred = np.where(rng.random(num) < 0.7, target.clip(0), rng.integers(0, 3, num))
    return pred, target, rng.normal(pred == target, 1)


def write(path, pred, target, score, threshold=0.5):
    metrics = OpenSetMetric.calculate(pred, target, score, threshold)
    write_open_set_report(path, pred, target, score, metrics, 'energy')
    return json.loads(path.read_text()), metrics


def test_report_holds_results_oracle_and_curve(tmp_path):
    pred, target, score = images()
    report, metrics = write(tmp_path / 'new' / 'report.json', pred, target, score)
    assert report['metrics'] == metrics
    assert report['num_known'] + report['num_unknown'] == len(pred)
    curve = open_set_curve(pred, target, score)
    assert report['oracle']['f_measure'] == curve['f_measure'].max()
    assert 'no result to report' in report['oracle']['note']
    at_best = OpenSetMetric.calculate(
        pred, target, score, report['oracle']['threshold']
    )
    assert at_best['f_measure'] == report['oracle']['f_measure']
    # Thinned, but with both ends.
    assert {len(values) for values in report['curve'].values()} == {1001}
    thresholds = report['curve']['threshold']
    assert (thresholds[0], thresholds[-1]) == (score.max(), score.min())
    positions = np.searchsorted(-curve['threshold'], -np.array(thresholds))
    assert (curve['f_measure'][positions] == report['curve']['f_measure']).all()


def test_small_report(tmp_path):
    report, _ = write(tmp_path / 'r.json', [1, 0, 0], [0, 1, -1], [0.3, 0.3, 0.3])
    assert report['curve']['threshold'] == [0.3]
    assert report['oracle']['threshold'] is None  # nothing is right at any threshold


@pytest.mark.parametrize('threshold', [0.5, -1e9, 1e9])
def test_pictures_are_drawn(tmp_path, threshold):
    path = tmp_path / 'report.json'
    write(path, *images(200), threshold)
    picture = imread(path.with_suffix('.png'))
    assert picture.shape[:2] == (540, 1800)
    parts = np.split(picture[60:-60, :, :3], 3, axis=1)
    assert all(part.std() > 0.05 for part in parts)
    # The histograms differ by the mark of the threshold, unless beyond all scores.
    plot_open_set(*images(200), threshold + 0.7, path.with_suffix('.png'), 'energy')
    other = np.split(imread(path.with_suffix('.png'))[60:-60, :, :3], 3, axis=1)[2]
    assert (other == parts[2]).all() == (threshold != 0.5)
