# Copyright (c) ccsam_mm contributors. All rights reserved.
import json
from pathlib import Path

import numpy as np
import pytest

import ccsam_mm.analysis
from ccsam_mm.analysis import save_distribution
from ccsam_mm.evaluation.open_set.report import write_open_set_report
from ccsam_mm.evaluation.open_set.threshold_choice import write_thresholds
from ccsam_mm.utils.files import whole_file, write_whole


def test_an_error_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    write_whole(path, 'old')
    with pytest.raises(KeyboardInterrupt), whole_file(path) as unfinished:
        Path(unfinished).write_text('ne')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    with whole_file(path) as unfinished:
        Path(unfinished).write_text('new')
    assert path.read_text() == 'new' and list(path.parent.iterdir()) == [path]


def write_report(path):
    write_open_set_report(path, [0, 1], [0, -1], np.array([0.9, 0.1]), {})


def write_distribution(path):
    split = dict(class_counts=[3, 1], unknown=0)
    counts = dict(classes=['a', 'b'], class_counts=[3, 1], splits=dict(train=split))
    save_distribution(counts, path.parent)


@pytest.mark.parametrize(
    ('write', 'name'),
    [
        (lambda path: write_thresholds(path, dict(msp=dict(threshold=0.5))), 'a.json'),
        (write_report, 'report.json'),
        (write_distribution, 'class_counts.json'),
        (write_distribution, 'class_counts.csv'),
    ],
)
def test_results_are_never_half_written(tmp_path, monkeypatch, write, name):
    """Where the new file cannot take its place, nothing of it is left."""
    path = tmp_path / name
    write(path)
    before = path.read_bytes()
    assert name.endswith('.csv') or json.loads(before)
    files = sorted(tmp_path.iterdir())

    def fail(source, target):
        raise OSError(f'{target} disk full')

    monkeypatch.setattr('ccsam_mm.utils.files.os.replace', fail)
    with pytest.raises(OSError, match='disk full'):
        write(path)
    assert path.read_bytes() == before and sorted(tmp_path.iterdir()) == files


def test_analysis_does_not_depend_on_the_engine():
    """The engine's hooks depend on it."""
    for path in Path(ccsam_mm.analysis.__file__).parent.glob('*.py'):
        assert 'ccsam_mm.engine' not in path.read_text(), path
