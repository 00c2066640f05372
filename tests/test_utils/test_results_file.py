# Copyright (c) ccsam_mm contributors. All rights reserved.
import errno
import json
import os
import pickle
import subprocess
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.structures import LabelData

from ccsam_mm.utils.results_file import DumpWholeResults, check_writable, dump_whole

TOOLS = Path(__file__).parents[2] / 'tools'
METRICS = {
    'matrix': torch.eye(2, dtype=torch.int64),
    'scalar': torch.tensor(0.5, dtype=torch.float64),
    'half': torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True),
    'array': np.arange(3.0),
    'number': np.float32(0.25),
    'nested': [{'a': (torch.tensor(True), None)}, {1: np.int64(2)}],
    'object': Path('a'),
}
PLAIN = {
    'matrix': [[1, 0], [0, 1]],
    'scalar': 0.5,
    'half': [0.5],
    'array': [0.0, 1.0, 2.0],
    'number': 0.25,
    'nested': [{'a': [True, None]}, {'1': 2}],
    'object': 'a',
}


def test_tensors_and_arrays_are_written(tmp_path):
    dump_whole(METRICS, tmp_path / 'new' / 'a.json')
    assert json.loads((tmp_path / 'new' / 'a.json').read_text()) == PLAIN
    for name in ('a.yml', 'a.yaml'):
        dump_whole(METRICS, tmp_path / name)
        written = mmengine.load(tmp_path / name)
        assert written['nested'].pop() == {1: 2}
        assert written == dict(PLAIN, nested=PLAIN['nested'][:1])
    dump_whole(METRICS, tmp_path / 'a.pkl')
    again = pickle.loads((tmp_path / 'a.pkl').read_bytes())
    assert torch.equal(again['matrix'], METRICS['matrix'])


def predict(path):
    metric = DumpWholeResults(str(path))
    metric.process(None, [dict(pred_label=torch.tensor([1]), gt_label=LabelData())])
    metric.evaluate(1)


@pytest.mark.parametrize(
    'name, write',
    [
        ('a.json', lambda path: dump_whole(dict(a=1), path)),
        ('a.pkl', lambda path: dump_whole(dict(a=1), path)),
        ('b.pkl', predict),
    ],
)
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, name, write):
    """Also the file system that only says so when data have to be on the disk."""
    path = tmp_path / name
    path.write_text('old')

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr('ccsam_mm.utils.results_file.os.fsync', full)
        with pytest.raises(OSError) as error:
            write(path)
    assert error.value.errno == errno.ENOSPC
    assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]
    write(path)
    assert path.read_bytes() != b'old' and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='Linux has a full disk')
def test_really_full_disk(tmp_path):
    """The unfinished file is where no byte fits."""
    path = tmp_path / 'a.json'
    path.write_text('old')
    os.symlink('/dev/full', f'{path}.{os.getpid()}.tmp')
    with pytest.raises(OSError, match='No space left'):
        dump_whole(dict(a=1), path)
    assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]


def test_places_that_can_not_be_written(tmp_path):
    check_writable(tmp_path / 'new' / 'a.json', '--out')
    assert list((tmp_path / 'new').iterdir()) == []
    (tmp_path / 'file').touch()
    (tmp_path / 'a.json').mkdir()
    for path in ('file/a.json', 'a.json', 'file/b/a.json'):
        with pytest.raises(OSError, match=f'^--out .*{path} cannot be written .*name'):
            check_writable(tmp_path / path, '--out')


def test_full_disk_is_told_before(tmp_path, monkeypatch):
    def full(**kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr('ccsam_mm.utils.results_file.tempfile.TemporaryFile', full)
    with pytest.raises(OSError, match='No space left on device'):
        check_writable(tmp_path / 'a.json', '--out')


@pytest.mark.parametrize(
    'content, whole', [('{"a": 1}', 0), ('', 1), ('{"a": ', 1), ('{}', 1), (None, 1)]
)
def test_scripts_know_a_whole_file(tmp_path, content, whole):
    path = tmp_path / 'metrics.json'
    if content is not None:
        path.write_text(content)
    command = f'source {TOOLS}/common.sh; has_metrics {path} && exit 0 || exit 1'
    assert subprocess.run(['bash', '-c', command]).returncode == whole


@pytest.mark.parametrize('content, reused', [('', False), ('{"a": 1}', True)])
def test_stages_test_again_what_is_broken(tmp_path, content, reused):
    """With a trainer and a test that do nothing."""
    python = tmp_path / 'bin' / 'python'
    python.parent.mkdir()
    python.write_text(
        '#!/bin/bash\n[[ $1 != -c ]] || exec python3 "$@"\necho "ran $(basename $1)"\n'
    )
    python.chmod(0o755)
    for stage in (1, 2):
        config = tmp_path / f'x_stage{stage}.py'
        config.touch()
        work_dir = tmp_path / 'work_dirs' / f'x_stage{stage}'
        work_dir.mkdir(parents=True)
        (work_dir / 'last_checkpoint').write_text('epoch_1.pth')
        (work_dir / 'epoch_1.pth').touch()
        os.utime(work_dir / 'epoch_1.pth', (1e9 + stage, 1e9 + stage))
        (work_dir / 'metrics.json').write_text(content)
    env = dict(os.environ, PATH=f'{python.parent}:{os.environ["PATH"]}')
    log = subprocess.run(
        ['bash', TOOLS / 'train_stages.sh', 'x'],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert log.count('ran train.py') == 2
    assert log.count('ran test.py') == (0 if reused else 2)
    assert ('reusing the test' in log) == reused
