# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tables and pictures from the JSON files of tools/test.py."""

import json

import pytest
from matplotlib.image import imread

from ccsam_mm.analysis import format_table, load_metrics, plot_class_accuracy
from ccsam_mm.evaluation import ShotAccuracy


def metrics(top1=50.0, counts=(200, 30, 3), per_class=(100.0, 50.0, None)):
    return dict(top1=top1, per_class=list(per_class), class_counts=list(counts))


def test_load_metrics_reads_what_the_metric_reports(tmp_path):
    metric = ShotAccuracy(class_counts=[200, 30, 3], per_class=True)
    metric.results = [(0, 0), (1, 1), (0, 1)]
    path = tmp_path / 'metrics.json'
    path.write_text(json.dumps({**metric.evaluate(3), 'other/top1': 7}))
    loaded = load_metrics(path)
    assert loaded['top1'] == pytest.approx(200 / 3)
    assert loaded['per_class'] == [100.0, 50.0, None]
    assert loaded['class_counts'] == [200, 30, 3]
    assert 'few' not in loaded


def test_bad_files_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match='--out-item metrics'):
        load_metrics(tmp_path / 'none.json')
    path = tmp_path / 'loss.json'
    path.write_text('{"loss": 1}')
    with pytest.raises(ValueError, match=r"loss\.json holds no acc.*'ShotAccuracy'"):
        load_metrics(path)


def test_table_leaves_out_absent_columns():
    table = format_table(dict(a=metrics(12.34), b=dict(top1=100.0, many=1.05)))
    header, rule, *rows = table.splitlines()
    assert header.split('|')[2:-1] == ['  top1 ', ' many ']
    assert [row.split()[3] for row in rows] == ['12.3', '100.0']
    assert [row.split()[5] for row in rows] == ['-', '1.1']
    assert len({len(line) for line in [header, rule, *rows]}) == 1


@pytest.mark.parametrize('num_classes', [3, 100])
def test_picture_is_drawn(tmp_path, num_classes):
    counts = list(range(num_classes, 0, -1))
    per_class = [None] + [float(c) for c in counts[1:]]
    path = tmp_path / 'new' / 'plot.png'
    plot_class_accuracy(dict(run=metrics(5.0, counts, per_class)), path)
    picture = imread(path)
    assert picture.shape[:2] == (540, 960)
    assert picture[..., :3].std() > 0.1


def test_picture_refuses_what_it_can_not_compare(tmp_path):
    path = tmp_path / 'plot.png'
    with pytest.raises(ValueError, match='per_class=True'):
        plot_class_accuracy(dict(a=dict(top1=1.0)), path)
    with pytest.raises(ValueError, match="'b' was trained on other class counts"):
        plot_class_accuracy(dict(a=metrics(), b=metrics(counts=(9, 8, 7))), path)
    assert not path.exists()
