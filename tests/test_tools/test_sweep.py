# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The sweep tool, on a trainer that only writes logs, and once on a few digits."""

import json
import multiprocessing
import os
import re
import signal
import statistics
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from ccsam_mm.experiments import report

REPO = Path(__file__).parents[2]
# Writes what MMEngine writes. Its accuracy is 60 + 10 * lr + seed, and it does what the
# file `orders` of the current folder says: fail or hang in work dirs whose name has a
# text, or die in an epoch, before that is validated.
TRAIN = r"""
import json, os, re, signal, sys, time
from pathlib import Path
config = Path(sys.argv[1]).stem
target = Path(sys.argv[sys.argv.index('--work-dir') + 1])
options = dict(x.split('=') for x in sys.argv[sys.argv.index('--cfg-options') + 1:])
orders = json.loads(Path('orders').read_text()) if Path('orders').exists() else {}
record = target / 'last_checkpoint'
done = int(re.search(r'(\d+).pth', record.read_text())[1]) if record.exists() else 0
resumes = '--resume' in sys.argv
threads = [os.environ.get(f'{name}_NUM_THREADS') for name in ('OMP', 'MKL')]
gpus = os.environ.get('CUDA_VISIBLE_DEVICES')
call = dict(name=target.name, done=done, resumes=resumes, options=options)
call.update(threads=threads, gpus=gpus, pid=os.getpid())
with open('calls', 'a') as file:
    file.write(json.dumps(call) + '\n')
if orders.get('fail', 'nowhere') in target.name:
    sys.exit('the last words')
while orders.get('hang', 'nowhere') in target.name and not Path('go').exists():
    time.sleep(0.01)
started = options.get('default_hooks.load_stage1.stage1')
assert started is None or (Path(started) / 'last_checkpoint').exists(), started
value = 60 + 10 * float(options.get('lr', 0.1)) + int(options['randomness.seed'])
scalars = target / f'20260101_00000{done}' / 'vis_data' / 'scalars.json'
scalars.parent.mkdir(parents=True)
for epoch in range(done + 1, 4):
    with open(scalars, 'a') as file:
        print(json.dumps(dict(loss=1 / epoch, lr=1, iter=epoch, step=epoch)), file=file)
        (target / f'epoch_{epoch}.pth').touch()
        record.write_text(str(target / f'epoch_{epoch}.pth'))
        if orders.get('die') == epoch:
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        accuracy = {'accuracy/class_mean': value - 3 + epoch, 'step': epoch}
        print(json.dumps(accuracy), file=file)
"""
TEST = r"""
import json, sys
from pathlib import Path
with open('tests', 'a') as file:
    file.write(sys.argv[2] + '\n')
out = Path(sys.argv[sys.argv.index('--out') + 1])
out.write_text(json.dumps({'accuracy/class_mean': 42.0, 'accuracy/per_class': [1, 2]}))
"""
SWEEP = """
work_dir = 'work'
results = 'docs/results.jsonl'
seeds = [0, 1]
baseline = 'ce'
_stages = [dict(name='stage1', config='one.py'), dict(name='stage2', config='two.py')]
runs = [
    dict(name='ce', stages=_stages),
    dict(name='lr', stages=_stages, grid={'stage2.lr': [0.2, 0.3]}),
]
"""


@pytest.fixture
def drawing_sweep(tmp_path, monkeypatch, load_tool):
    """The tool, in a folder with a sweep file and its configs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    tool = load_tool('benchmarks/sweep')
    monkeypatch.setattr(tool, 'TOOLS', str(tmp_path / 'tools'))
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools' / 'train.py').write_text(TRAIN)
    (tmp_path / 'tools' / 'test.py').write_text(TEST)
    config = dict(
        lr=0.1,
        train_cfg=dict(max_epochs=3),
        val_dataloader=dict(dataset='val'),
        test_dataloader=dict(dataset='test'),
    )
    Config(config).dump('one.py')
    hooks = dict(load_stage1=dict(type='LoadStage1Hook'))
    Config(dict(config, default_hooks=hooks)).dump('two.py')
    Path('sweep.py').write_text(SWEEP)
    tool.run = lambda *options: tool.main(['sweep.py', *options])
    return tool


@pytest.fixture
def sweep(drawing_sweep, monkeypatch):
    """The tool without its pictures, which take most of its time here."""
    monkeypatch.setattr(report, 'plot_sweep', lambda *args: [])
    return drawing_sweep.run


def order(**orders):
    Path('orders').write_text(json.dumps(orders))


def calls():
    """What the trainer was called for since the last call."""
    path = Path('calls')
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def results():
    lines = Path('docs/results.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def mean_of(line, stage='stage2'):
    return line['stages'][stage]['metrics']['accuracy/class_mean']


def test_sweep_trains_each_stage_once(drawing_sweep, capsys):
    sweep = drawing_sweep.run
    assert sweep('--jobs', '2', '--threads', '3') == 0
    trained = calls()
    # Three rows share stage 1.
    assert len({call['name'] for call in trained}) == len(trained) == 2 + 3 * 2
    assert all(call['threads'] == ['3', '3'] and call['resumes'] for call in trained)
    lines = results()
    assert [(line['row'], line['seed']) for line in lines] == [
        (row, seed) for row in ('ce', 'lr,lr=0.2', 'lr,lr=0.3') for seed in (0, 1)
    ]
    assert [mean_of(line) for line in lines] == [61, 62, 62, 63, 63, 64]
    assert lines[-1]['stages']['stage2']['train_loss'] == pytest.approx(1 / 3)
    assert {'torch', 'ccsam_mm', 'device'} <= lines[0]['versions'].keys()

    table = Path('docs/results.md').read_text().split('## Validation after stage2')[1]
    deviation = statistics.stdev([63, 64])
    row = next(line for line in table.splitlines() if 'lr=0.3' in line)
    assert f'**63.5 ± {deviation:.1f}**' in row and '+2.0 ± 0.0' in row
    names = {path.name for path in Path('docs').iterdir()}
    assert names == {
        'results.jsonl',
        'results.md',
        'results_rows.png',
        'results_lr_lr.png',
    }
    output = capsys.readouterr().out
    assert '[8/8] stage2 of lr,lr=0.3, seed 1: accuracy/class_mean 64.0 | 0:' in output
    assert ' | best lr,lr=0.3: 63.5 ± 0.7 (2) | baseline ce: 61.5 ± 0.7 (2)' in output

    # Done is done, even where the work directories are gone.
    before = Path('docs/results.jsonl').read_text()
    assert sweep() == 0 and calls() == []
    os.rename('work', 'gone')
    assert sweep('--report-only') == 0 and sweep() == 0 and calls() == []
    assert Path('docs/results.jsonl').read_text() == before


def test_commands_of_the_lines_train_the_same_again(sweep):
    sweep('--only', 'lr,lr=0.3', '--seeds', '1')
    first = calls()
    (line,) = results()
    commands = [stage['command'] for stage in line['stages'].values()]
    for command, call in zip(commands, first):
        assert (
            command.startswith('python tools/train.py ') and '--resume' not in command
        )
        os.rename(f'work/{call["name"]}', f'work/{call["name"]}_kept')
        assert os.system(command.replace('python', sys.executable, 1)) == 0
        (again,) = calls()
        assert again['options'] == call['options'] and again['name'] == call['name']


@pytest.mark.parametrize(('epoch', 'resumed'), [(1, 1), (2, 2), (3, 2)])
def test_killed_training_goes_on_where_it_was(sweep, capsys, epoch, resumed):
    """Also where the kill came between the last checkpoint and its validation."""
    order(die=epoch)
    assert sweep('--only', 'ce', '--seeds', '0') == 1
    assert 'FAILED, exit status -9' in capsys.readouterr().out
    assert len(calls()) == 1 and not Path('docs').exists()
    order()
    assert sweep('--only', 'ce', '--seeds', '0') == 0
    assert [call['done'] for call in calls()] == [resumed, 0]
    assert [mean_of(line) for line in results()] == [61]


def test_failure_stops_nothing_else_and_is_tried_again(sweep, capsys):
    sweep('--dry-run', '--only', 'lr,lr=0.2', '--seeds', '1')
    name = re.findall(r'work/(two_seed1_\w+) ', capsys.readouterr().out)[0]
    order(fail=name)
    assert sweep('--jobs', '3') == 1
    output = capsys.readouterr().out
    assert 'stage2 of lr,lr=0.2, seed 1: FAILED, exit status 1' in output
    assert '\n    the last words\n' in output and output.endswith('retry.\n')
    assert len(results()) == 5 and len(calls()) == 8
    assert (
        'Incomplete: of 6 results, 1 are missing' in Path('docs/results.md').read_text()
    )
    order()
    assert sweep() == 0
    assert [call['name'] for call in calls()] == [name] and len(results()) == 6


@pytest.mark.parametrize(
    'damage', ['', '{"metrics":', '[]', '{}', '{"metrics": {"a": "b"}}', '[' * 10**5]
)
def test_a_damaged_marker_stops_its_own_cell(sweep, capsys, damage):
    sweep('--seeds', '0', '--only', 'lr,lr=0.2')
    (marker,) = Path('work').glob('two_*/finished.json')
    marker.write_text(damage)
    Path('docs/results.jsonl').unlink()
    calls(), capsys.readouterr()
    assert sweep('--seeds', '0') == 1
    output = capsys.readouterr().out
    assert f'lr,lr=0.2, seed 0: FAILED, {marker} is damaged (' in output
    assert 'delete it to have it written again' in output
    assert sorted(line['row'] for line in results()) == ['ce', 'lr,lr=0.3']
    marker.unlink()
    assert sweep('--seeds', '0') == 0
    assert [line['row'] for line in results()] == ['ce', 'lr,lr=0.2', 'lr,lr=0.3']


@pytest.mark.parametrize('damage', ['cut', 'type', 'bytes'])
def test_a_damaged_result_stops_its_own_cell(sweep, capsys, damage):
    sweep('--seeds', '0')
    path = Path('docs/results.jsonl')
    lines = whole = path.read_text().splitlines()
    row = json.loads(lines[1])['row']
    broken = dict(
        cut=lines[1][:99].encode(),
        type=json.dumps(dict(json.loads(lines[1]), stages=5)).encode(),
        bytes=lines[1].replace('"stages"', '\xe9').encode('latin-1'),
    )[damage]
    path.write_bytes(
        b'\n'.join([lines[0].encode(), broken, *map(str.encode, lines[2:])])
    )
    calls(), capsys.readouterr()
    assert sweep('--seeds', '0') == 0
    assert 'line 2 of docs/results.jsonl ' in (error := capsys.readouterr().err)
    assert f'the result of {row}, seed 0, counts as missing' in error
    # The work directories know it all.
    assert calls() == [] and path.read_text().splitlines() == whole


def test_stage_after_a_failed_one_is_not_started(sweep, capsys):
    order(fail='one_seed0')
    assert sweep('--jobs', '2') == 1
    assert {call['name'][:9] for call in calls()} == {
        'one_seed0',
        'one_seed1',
        'two_seed1',
    }
    output = capsys.readouterr().out
    assert output.count('not started, because stage1 has failed') == 3
    assert len(results()) == 3


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def started(count):
    """Whether so many trainings have written their whole line."""
    path = Path('calls')
    return path.exists() and path.read_text().count('\n') == count


def test_interrupt_ends_the_children(sweep, capsys):
    # A shell's background jobs ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    order(hang='one')

    def press():
        wait_for(lambda: started(2))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    assert sweep('--jobs', '2') == 130
    assert 'Interrupted: call the same command again' in capsys.readouterr().out
    assert not any(alive(call['pid']) for call in calls())
    Path('go').touch()
    assert sweep('--jobs', '2') == 0 and len(results()) == 6


def test_orphans_of_a_killed_sweep_are_not_disturbed(sweep):
    order(hang='one_seed0')
    sweeper = multiprocessing.get_context('fork').Process(target=sweep)
    sweeper.start()
    wait_for(lambda: started(1))
    os.kill(sweeper.pid, signal.SIGKILL)
    sweeper.join()
    with pytest.raises(
        RuntimeError, match='^work is in use by another sweep.py, or by'
    ):
        sweep()
    (orphan,) = calls()
    Path('go').touch()
    wait_for(lambda: list(Path('work').glob('one*/epoch_3.pth')))

    def is_free():
        try:
            return sweep() == 0
        except RuntimeError:
            return False

    wait_for(is_free)
    # What the orphan has trained is used: there was nothing left to do.
    assert [call['done'] for call in calls() if call['name'] == orphan['name']] == [3]
    assert len(results()) == 6


def test_best_row_of_each_run_is_tested_once(sweep, capsys):
    assert sweep('--only', 'ce', '--test') == 0
    assert 'Not tested: 4 results to choose by are missing' in capsys.readouterr().out
    assert sweep('--test') == 0
    tested = {line['row']: line['test'] for line in results() if 'test' in line}
    assert tested == dict.fromkeys(('ce', 'lr,lr=0.3'), {'accuracy/class_mean': 42.0})
    checkpoints = Path('tests').read_text().splitlines()
    assert len(checkpoints) == 4 and all(c.endswith('epoch_3.pth') for c in checkpoints)
    assert sweep('--test') == 0
    assert len(Path('tests').read_text().splitlines()) == 4
    assert (
        '## Test of the rows that validation chose'
        in Path('docs/results.md').read_text()
    )

    # A test of another stage than today's is no result, and made again.
    select = "select = dict(metric='accuracy/class_mean', stage='stage1')\n"
    Path('sweep.py').write_text(Path('sweep.py').read_text() + select)
    assert sweep('--report-only') == 0
    assert '## Test of' not in Path('docs/results.md').read_text()
    assert sweep('--test') == 0
    again = Path('tests').read_text().splitlines()[4:]
    assert again and all('/one_seed' in checkpoint for checkpoint in again)
    assert '## Test of' in Path('docs/results.md').read_text()


def test_rerun_trains_the_chosen_again(sweep):
    sweep()
    # Every row once before any row twice.
    seeds = [call['options']['randomness.seed'] for call in calls()]
    assert seeds == ['0'] * 4 + ['1'] * 4
    assert sweep('--rerun', '--only', 'lr,lr=0.2', '--seeds', '1') == 0
    again = calls()
    assert [call['done'] for call in again] == [0, 0] and len(results()) == 6
    assert {call['options']['randomness.seed'] for call in again} == {'1'}


def test_changed_config_makes_results_missing(sweep):
    sweep()
    calls()
    Path('two.py').write_text(Path('two.py').read_text() + 'new = 1\n')
    assert sweep('--report-only') == 0
    text = Path('docs/results.md').read_text()
    assert '0 are missing, and 6 are of other config values' in text
    assert '63.5' in text
    assert sweep() == 0
    assert {call['name'][:3] for call in calls()} == {'two'} and len(results()) == 6


def test_dry_run_prints_commands_and_does_nothing(sweep, capsys):
    assert sweep('--dry-run', '--only', 'lr') == 0
    output = capsys.readouterr().out
    assert len(re.findall('^python tools/train.py', output, re.M)) == 2 + 2 * 2
    assert '# lr,lr=0.3, seed 1\n' in output
    assert not Path('work').exists() and calls() == []


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (('--only', 'cc'), "--only 'cc' is none of ce lr lr,lr=0.2 lr,lr=0.3."),
        (('--seeds', '2'), '--seeds 2 is not in `seeds` of sweep.py.'),
        (('--launcher', 'ray'), '--launcher ray needs Ray: `pip install ray`'),
        (('--launcher', 'slurm', '--partition', 'p'), 'srun, which is not on the PATH'),
    ],
)
def test_what_can_not_be_is_one_sentence(sweep, monkeypatch, options, sentence):
    monkeypatch.setitem(sys.modules, 'ray', None)
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    with pytest.raises((ValueError, ImportError, FileNotFoundError)) as error:
        sweep(*options)
    assert sentence in str(error.value) and calls() == []


def test_validation_on_test_images_is_a_warning(sweep, capsys):
    text = (
        Path('sweep.py').read_text() + "common = {'val_dataloader.dataset': 'test'}\n"
    )
    Path('sweep.py').write_text(text)
    sweep('--dry-run')
    assert 'The validation images are those of the test here' in capsys.readouterr().err


def test_local_trainings_share_out_gpus(sweep, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,5')
    order(hang='_')
    thread = threading.Thread(
        target=lambda: (wait_for(lambda: started(2)), Path('go').touch())
    )
    thread.start()
    sweep('--jobs', '2', '--only', 'ce')
    thread.join()
    assert sorted(call['gpus'] for call in calls()[:2]) == ['3', '5']


def test_slurm_trains_through_its_script(sweep, tmp_path, monkeypatch):
    """A stand-in for srun drops its own options, and runs the rest."""
    srun = tmp_path / 'bin' / 'srun'
    srun.parent.mkdir()
    srun.write_text(
        '#!/usr/bin/env bash\necho "$@" >> srun_calls\n'
        'while [[ $1 != python ]]; do shift; done\nexport OMP_NUM_THREADS\n'
        f'exec {sys.executable} "${{@:2}}"\n'
    )
    srun.chmod(0o755)
    monkeypatch.setenv('PATH', f'{srun.parent}:{os.environ["PATH"]}')
    for name in ('common.sh', 'slurm_train.sh', 'slurm_test.sh'):
        (tmp_path / 'tools' / name).write_text((REPO / 'tools' / name).read_text())
    train = tmp_path / 'tools' / 'train.py'
    head = (
        'import sys\n'
        "line = ' '.join(sys.argv[1:]).replace('--work-dir=', '--work-dir ')\n"
        'sys.argv[1:] = line.split()\n'
    )
    train.write_text(head + TRAIN)
    options = ('--launcher', 'slurm', '--partition', 'part', '--threads', '2', '--test')
    assert sweep(*options) == 0 and len(results()) == 6
    made = Path('srun_calls').read_text().splitlines()
    assert len(made) == 8 + 4
    assert made[0].startswith('-p part --job-name=one_seed0_')
    assert '--gres=gpu:1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task=2' in made[0]


def test_ray_runs_the_same_commands(sweep, monkeypatch):
    """A stand-in for Ray, whose tasks run as soon as they are made."""

    class Remote:
        def __init__(self, work):
            self.remote = work

    ray = SimpleNamespace(
        is_initialized=lambda: True,
        cluster_resources=lambda: dict(GPU=1.0),
        remote=lambda **needs: lambda work: needs_of.append(needs) or Remote(work),
        wait=lambda tasks, timeout: (tasks, []),
        get=lambda task: task,
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    needs_of = []
    monkeypatch.setitem(sys.modules, 'ray', ray)
    assert sweep('--launcher', 'ray', '--threads', '2') == 0
    assert len(calls()) == 8 and len(results()) == 6
    assert needs_of[0] == dict(num_cpus=2, num_gpus=1, max_retries=0)


@pytest.mark.slow
def test_digits_from_stage_1_to_the_table(tmp_path, type_in):
    """Oracle: the validation that MMEngine's own log reports."""
    stages = [
        dict(name=name, config=f'{REPO}/configs/ccsam/digits_lt_r20_{name}.py')
        for name in ('stage1', 'stage2')
    ]
    grid = {'stage1.optim_wrapper.rho_scale': [0.1]}
    common = {'model.backbone.depth': 8, 'train_cfg.max_epochs': 1}
    sweep = dict(common=common, runs=[dict(name='ccsam', stages=stages, grid=grid)])
    Config(sweep).dump(tmp_path / 'digits.py')
    type_in(sys.executable, REPO / 'tools/benchmarks/sweep.py', 'digits.py')
    work = tmp_path / 'work_dirs' / 'sweeps' / 'digits'
    line = json.loads((work / 'results.jsonl').read_text())
    for name, stage in line['stages'].items():
        (log,) = work.glob(f'digits_lt_r20_{name}_seed0_*/train.log')
        text = log.read_text()
        validation = text[text.rindex('Epoch(val)') :]
        logged = dict(re.findall(r'(accuracy/\w+): ([\d.]+)', validation))
        assert stage['metrics'].keys() == logged.keys() >= {'accuracy/few'}
        for key, value in logged.items():
            assert stage['metrics'][key] == pytest.approx(float(value), abs=1e-4)
    assert f'Stage 2 starts from stage 1: {work}/digits_lt_r20_stage1_seed0_' in text
    stage1 = line['stages']['stage1']
    assert stage1['overrides']['optim_wrapper.rho_scale'] == 0.1
    assert stage1['seconds'] > 0
    assert (work / 'results_rows.png').exists()
