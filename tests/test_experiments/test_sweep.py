# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The parts of a sweep: its plan, its schedule, its logs, its tables and pictures."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from mmengine.config import Config

from ccsam_mm.experiments import (
    SweepResults,
    SweepStage,
    SweepTrial,
    best_row,
    check_sweep,
    expand_sweep,
    load_sweep,
    pair_table,
    plot_sweep,
    plots,
    run_tasks,
    sweep_table,
)
from ccsam_mm.experiments.logs import measure, step_back
from ccsam_mm.experiments.stage import option_text

STAGE1 = dict(
    optim_wrapper=dict(rho_scale=0.03, max_relative_norm=0.1),
    param_scheduler=[dict(end=5)],
    train_cfg=dict(max_epochs=3, val_interval=1),
    val_dataloader=dict(dataset='val'),
    test_dataloader=dict(dataset='test'),
    default_hooks=dict(),
)
STAGE2 = dict(STAGE1, default_hooks=dict(load_stage1=dict(type='LoadStage1Hook')))
RHO = 'stage1.optim_wrapper.rho_scale'


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """Two config files in the current folder."""
    for name, config in dict(stage1=STAGE1, stage2=STAGE2).items():
        Config(config).dump(tmp_path / f'{name}.py')
    monkeypatch.chdir(tmp_path)


def a_run(name='ccsam', grid=None, **stage1):
    stages = [
        dict(name='stage1', config='stage1.py', **stage1),
        dict(name='stage2', config='stage2.py'),
    ]
    return dict(name=name, stages=stages, grid=grid or {})


def expand(*runs, **sweep):
    return expand_sweep(check_sweep(dict(work_dir='w', runs=list(runs), **sweep)))


def test_trials_are_runs_times_points_times_seeds(configs):
    grid = {RHO: [0.1, 0.2], 'stage2.train_cfg.max_epochs': [1, 2, 4]}
    trials = expand(a_run('ce'), a_run('ccsam', grid), seeds=[3, 1])
    expected = [('ce', {}, seed) for seed in (3, 1)]
    for rho, epochs, seed in itertools.product([0.1, 0.2], [1, 2, 4], [3, 1]):
        point = {RHO: rho, 'stage2.train_cfg.max_epochs': epochs}
        expected.append(('ccsam', point, seed))
    assert [(t.run, t.point, t.seed) for t in trials] == expected
    assert trials[2].row == 'ccsam,rho_scale=0.1,max_epochs=1'
    stage1, stage2 = trials[-1].stages
    assert stage1.cfg_options == ['optim_wrapper.rho_scale=0.2', 'randomness.seed=1']
    assert stage2.cfg_options == [
        'train_cfg.max_epochs=4',
        'randomness.seed=1',
        f'default_hooks.load_stage1.stage1={stage1.work_dir}',
    ]
    assert (stage1.last_step, stage2.last_step) == (3, 4)


def test_equal_trainings_share_a_work_dir_and_others_do_not(configs):
    grid = {'stage2.train_cfg.max_epochs': [1, 3], RHO: [0.03, 0.3]}
    trials = expand(a_run('default'), a_run('grid', grid), seeds=[0, 1])
    folders = {}
    for trial in trials:
        stage1, stage2 = trial.stages
        rho = trial.point.get(RHO, 0.03)
        epochs = trial.point.get('stage2.train_cfg.max_epochs', 3)
        folders.setdefault((rho, trial.seed), set()).add(stage1.work_dir)
        folders.setdefault((rho, trial.seed, epochs), set()).add(stage2.work_dir)
        assert stage2.loads == stage1
    assert all(len(same) == 1 for same in folders.values())
    assert len(set.union(*folders.values())) == len(folders) == 2 * 2 + 2 * 2 * 2


def test_only_a_changed_value_makes_another_training(configs):
    before = expand(a_run())[0].id
    Path('stage1.py').write_text('# a comment\n' + Path('stage1.py').read_text())
    assert expand(a_run())[0].id == before
    Config(dict(STAGE1, extra=1)).dump('stage1.py')
    assert expand(a_run())[0].id != before


def test_overrides_go_from_common_to_grid(configs):
    run = a_run(grid={RHO: [3]}, overrides={'optim_wrapper.rho_scale': 2})
    common = {
        'optim_wrapper.rho_scale': 1,
        'stage2.train_cfg.max_epochs': 7,
        '+new.key': [1, None],
        'param_scheduler.0.end': 9,
    }
    stage1, stage2 = expand(run, common=common)[0].stages
    everywhere = {'new.key': [1, None], 'param_scheduler.0.end': 9}
    everywhere['randomness.seed'] = 0
    assert stage1.overrides == {'optim_wrapper.rho_scale': 3, **everywhere}
    more = {'optim_wrapper.rho_scale': 1, 'train_cfg.max_epochs': 7}
    assert stage2.overrides == {**more, **everywhere}


def test_stage_loads_the_one_that_it_names(configs):
    run = a_run()
    run['stages'].insert(1, dict(name='other', config='stage1.py'))
    assert expand(run)[0].stages[2].loads.name == 'other'
    run['stages'][2]['loads'] = 'stage1'
    assert expand(run)[0].stages[2].loads.name == 'stage1'
    alone = dict(name='alone', stages=[dict(name='stage2', config='stage2.py')])
    alone['stages'][0]['overrides'] = {'+load_from': 'stage1.pth'}
    assert expand(alone)[0].stages[0].loads is None


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (
            dict(sedes=[0]),
            "'sedes' is not a key of the sweep: there are work_dir, results",
        ),
        (dict(runs=[dict(name='a')]), "a run of the sweep lacks 'stages'"),
        (dict(runs=['a']), "a run of the sweep must be a dict, but is 'a'"),
        (dict(runs=[a_run(), a_run()]), "'ccsam' names more than one run"),
        (
            dict(runs=[a_run(epochs=1)]),
            "'epochs' is not a key of a stage of run 'ccsam'",
        ),
        (
            dict(runs=[a_run(grid={'rho': [1]})]),
            "'rho' of run 'ccsam' must begin with",
        ),
        (dict(runs=[a_run(grid={RHO: 1})]), 'needs a list of values'),
        (dict(runs=[a_run(grid={RHO: [1, 1]})]), "'1' names more than one value"),
        (
            dict(runs=[a_run(grid={RHO.replace('rho', 'roh'): [1]})]),
            "stage1.py has no 'optim_wrapper.roh_scale', which stage 'stage1' of run "
            "'ccsam' overrides.*beside 'roh_scale': max_relative_norm, rho_scale",
        ),
        (dict(common={'param_scheduler.1.end': 1}), "no 'param_scheduler.1.end'"),
        (
            dict(common={'train_cfg': dict(a=1)}),
            "'train_cfg' of.* override the keys below",
        ),
        (dict(common={'train_cfg.max_epochs': '1'}), "'1' cannot be passed on"),
        (dict(runs=[a_run(loads='stage0')]), 'has no default_hooks.load_stage1'),
        (dict(baseline='sgd'), "baseline 'sgd' is not a row: there are ccsam."),
        (dict(select=dict(stage='stage3')), "run 'ccsam' has no stage 'stage3'"),
        (dict(select=dict(rule='more')), "'greater' or 'less'"),
        (dict(seeds=3), '`seeds` of the sweep must be a list'),
        (dict(seeds=[1, 1]), "'1' names more than one seed"),
    ],
)
def test_errors_are_one_sentence(configs, change, sentence):
    change = dict(change)
    runs = change.pop('runs', [a_run()])
    with pytest.raises(ValueError, match=sentence):
        expand(*runs, **change)


def test_missing_files_and_parts_are_named(configs):
    with pytest.raises(
        FileNotFoundError, match='the sweep file none.py does not exist'
    ):
        load_sweep('none.py')
    run = a_run()
    run['stages'][1]['config'] = 'stage3.py'
    with pytest.raises(
        FileNotFoundError, match="stage3.py, the config of stage 'stage2'"
    ):
        expand(run)
    with pytest.raises(ValueError, match='starts from a stage 1, which must be'):
        expand(dict(name='alone', stages=[dict(name='stage2', config='stage2.py')]))
    Config(dict(STAGE1, val_dataloader=None)).dump('stage1.py')
    with pytest.raises(ValueError, match='stage1.py, .* has no val_dataloader'):
        expand(a_run())


def test_validation_on_test_images_is_noticed(configs):
    stages = expand(a_run(), common={'val_dataloader.dataset': 'test'})[0].stages
    assert [stage.validates_on_test for stage in stages] == [True, True]
    assert not expand(a_run())[0].stages[1].validates_on_test


def test_sweep_file_may_have_helpers(configs):
    run = repr(a_run())
    Path('first.py').write_text(f'_run = {run}\nruns = [_run]\nbaseline = "ccsam"\n')
    sweep = load_sweep('first.py')
    assert sweep['work_dir'] == 'work_dirs/sweeps/first'
    assert sweep['select'] == dict(
        metric='accuracy/class_mean', stage='stage2', rule='greater'
    )
    assert [trial.row for trial in expand_sweep(sweep)] == ['ccsam']


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text('abc._/1, ()[]\'"', max_size=5),
)


@given(st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
@settings(max_examples=150, deadline=None)
def test_option_text_is_read_back_or_refused(value):
    """Oracle: MMEngine's parser, on whatever is not refused."""
    import argparse

    from mmengine.config import DictAction

    try:
        text = option_text(value)
    except ValueError:
        assert any(isinstance(v, str) for v in flatten(value))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument('--o', nargs='+', action=DictAction)
    read = parser.parse_args(['--o', f'a.b={text}']).o['a.b']
    assert read == value and type(read) is type(value)


def flatten(value):
    return (
        [x for v in value for x in flatten(v)] if isinstance(value, list) else [value]
    )


class FakeProcess:
    """Runs for some polls."""

    def __init__(self, polls, code):
        self.polls, self.code, self.ended = polls, code, False

    def poll(self):
        self.polls -= 1
        return self.code if self.polls < 0 or self.ended else None

    def terminate(self):
        self.ended = True

    def kill(self):
        assert self.ended


@given(st.data(), st.integers(1, 3), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_tasks_run_in_order_and_within_their_slots(data, jobs, count):
    """Oracle: what a task needs is over, with success, before the task starts."""
    needs = {
        str(i): data.draw(st.sampled_from([None, *map(str, range(i))]))
        for i in range(count)
    }
    codes = {t: data.draw(st.sampled_from([0, 0, 1])) for t in needs}
    running, ended = {}, {}

    def start(task, slot):
        assert slot not in running.values() and slot < jobs
        assert needs[task] is None or ended[needs[task]] == 0
        running[task] = slot
        return FakeProcess(data.draw(st.integers(0, 2)), codes[task])

    def finish(task, code):
        if code is None:
            assert ended[needs[task]] != 0
        else:
            del running[task]
        ended[task] = code
        return code == 0

    failed = run_tasks(needs, start, finish, jobs, poll=0)
    assert ended.keys() == needs.keys()

    def succeeds(task):
        return codes[task] == 0 and (needs[task] is None or succeeds(needs[task]))

    assert sorted(failed) == sorted(task for task in needs if not succeeds(task))


def test_interrupt_ends_what_runs():
    processes = []

    def start(task, slot):
        if task == 'c':
            raise KeyboardInterrupt
        processes.append(FakeProcess(10**9, 0))
        return processes[-1]

    with pytest.raises(KeyboardInterrupt):
        run_tasks(dict.fromkeys('abc'), start, None, jobs=3)
    assert [process.ended for process in processes] == [True, True]


def a_work_dir(path, attempts, checkpoints):
    """A work directory as MMEngine leaves it."""
    path.mkdir(exist_ok=True)
    for number, lines in enumerate(attempts):
        folder = path / f'20260101_00000{number}' / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    for epoch in checkpoints:
        (path / f'epoch_{epoch}.pth').touch()
        (path / 'last_checkpoint').write_text(str(path / f'epoch_{epoch}.pth'))
    return SweepStage('stage1', 'a.py', {}, str(path), 'f00', last_step=3)


def train_line(epoch, loss):
    return dict(loss=loss, lr=0.1, epoch=epoch, iter=9 * epoch, step=9 * epoch)


def val_line(epoch, accuracy):
    return {'accuracy/few': accuracy, 'time': 0.1, 'data_time': 0.1, 'step': epoch}


def test_measure_reads_the_last_attempt(tmp_path):
    first = [train_line(1, 3.0), val_line(1, 10.0), train_line(2, 2.0)]
    second = [
        train_line(2, 2.5),
        val_line(2, 20.0),
        train_line(3, 1.5),
        val_line(3, 30),
    ]
    stage = a_work_dir(tmp_path, [first, second], [2, 3])
    with open(tmp_path / '20260101_000000/vis_data/scalars.json', 'a') as file:
        file.write('\n{"loss": 4.0, "l')  # cut by a kill
    measured = measure(stage)
    assert measured['metrics'] == {'accuracy/few': 30}
    assert measured['train_loss'] == 1.5


def test_measure_has_the_best_validation_beside_the_last(tmp_path):
    lines = [val_line(1, 10.0), val_line(2, 40.0), train_line(3, 1.5), val_line(3, 30)]
    measured = measure(a_work_dir(tmp_path, [lines], [3]))
    assert measured['metrics'] == {'accuracy/few': 30}
    assert measured['best'] == {'accuracy/few': 40.0}


def test_measure_names_what_is_missing(tmp_path):
    stage = a_work_dir(tmp_path / 'a', [], [3])
    with pytest.raises(ValueError, match='has no scalars.json: add'):
        measure(stage)
    stage = a_work_dir(tmp_path / 'b', [[train_line(3, 1.0), val_line(2, 1.0)]], [3])
    with pytest.raises(ValueError, match='has no validation of .*epoch_3.pth: let'):
        measure(stage)


@pytest.mark.parametrize(
    ('validated', 'checkpoints', 'left'),
    [
        ([2, 3], [2, 3], 3),  # all over
        ([1], [1, 2], 2),  # killed before the end: nothing is lost
        ([2], [2, 3], 2),  # killed in the last validation
        ([], [3], None),  # the same, and no other checkpoint is left
    ],
)
def test_step_back_makes_the_last_validation_possible(
    tmp_path, validated, checkpoints, left
):
    lines = [val_line(epoch, 1.0) for epoch in validated]
    stage = a_work_dir(tmp_path, [lines], checkpoints)
    # MMEngine writes these without the state of the optimizer.
    for epoch in (1, 2):
        (tmp_path / f'best_accuracy_few_epoch_{epoch}.pth').touch()
    step_back(stage)
    record = tmp_path / 'last_checkpoint'
    assert record.exists() == (left is not None)
    if left:
        assert record.read_text() == str(tmp_path / f'epoch_{left}.pth')
        assert sorted(tmp_path.glob('*.pth'))[-1].name == f'epoch_{left}.pth'


@pytest.mark.parametrize(
    ('checkpoints', 'left'), [([1, 2], 2), ([2, 3], 2), ([], None)]
)
def test_step_back_mends_a_record_that_a_kill_has_emptied(tmp_path, checkpoints, left):
    stage = a_work_dir(tmp_path, [], checkpoints)
    record = tmp_path / 'last_checkpoint'
    record.write_text('')
    step_back(stage)
    assert record.exists() == (left is not None)
    assert left is None or record.read_text() == str(tmp_path / f'epoch_{left}.pth')


def a_line(row, seed, mean, stage='stage2', **more):
    metrics = {'accuracy/class_mean': mean, 'accuracy/top1': mean / 2}
    record = dict(metrics=metrics, train_loss=mean / 100, seconds=1.0)
    return dict(row=row, seed=seed, stages={stage: record}, **more)


SELECT = dict(metric='accuracy/class_mean', stage='stage2', rule='greater')


@given(st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=4), min_size=2))
@settings(max_examples=40, deadline=None)
def test_table_is_mean_deviation_and_paired_difference(rows):
    """Oracle: numpy, row by row."""
    names = [f'row{i}' for i in range(len(rows))]
    lines = [a_line(n, s, v) for n, row in zip(names, rows) for s, v in enumerate(row)]
    table = sweep_table(lines, names, 'stage2', SELECT, baseline='row0')
    head, _, *body = [
        [cell.strip() for cell in line.split('|')[1:-1]] for line in table.splitlines()
    ]
    assert head == [
        '', 'top1', 'class_mean', 'difference', 'train_loss', 'seconds', 'seeds'
    ]  # fmt: skip
    best = int(np.argmax([np.mean(row) for row in rows]))
    for i, (row, cells) in enumerate(zip(rows, body)):
        text = f'{np.mean(row):.1f}'
        text += f' ± {np.std(row, ddof=1):.1f}' if len(row) > 1 else ''
        close(cells[2].strip('*'), text)
        assert cells[2].startswith('**') == (i == best)
        pairs = np.array([a - b for a, b in zip(row, rows[0])])
        text = f'{pairs.mean():+.1f}'
        text += f' ± {pairs.std(ddof=1):.1f}' if len(pairs) > 1 else ''
        if i == 0:
            assert cells[3] == ''
        else:
            close(cells[3], text)
        assert cells[6] == str(len(row))


def close(text, expected):
    """Numbers may be rounded the other way by summing in another order."""
    numbers, wanted = (list(map(float, t.split(' ± '))) for t in (text, expected))
    np.testing.assert_allclose(numbers, wanted, atol=0.1001)


def test_best_row_follows_the_rule():
    lines = [a_line('a', 0, 1.0), a_line('a', 1, 5.0), a_line('b', 0, 4.0)]
    assert best_row(lines, ['a', 'b', 'none'], SELECT) == 'b'
    assert best_row(lines, ['a', 'b'], dict(SELECT, rule='less')) == 'a'
    assert best_row(lines, ['none'], SELECT) is None


@pytest.mark.parametrize('rule', ['greater', 'less'])
def test_a_diverged_row_is_never_best(rule):
    lines = [a_line('a', 0, float('nan')), a_line('b', 0, 4.0)]
    select = dict(SELECT, rule=rule)
    for rows in (['a', 'b'], ['b', 'a']):
        assert best_row(lines, rows, select) == 'b'
    assert best_row(lines, ['a'], select) is None


def test_table_names_the_metrics_that_there_are():
    with pytest.raises(ValueError, match="'f1' was not measured in stage2: .*/top1, "):
        sweep_table([a_line('a', 0, 1.0)], ['a'], 'stage2', dict(SELECT, metric='f1'))


def a_trial(run, seed, digest, **point):
    stage = SweepStage('stage2', 'a.py', {}, f'w/{digest}', digest)
    return SweepTrial(run, point, seed, (stage,))


def test_results_survive_in_order(tmp_path):
    path = tmp_path / 'new' / 'results.jsonl'
    trials = [a_trial('a', 0, 'f0', x=1), a_trial('a', 0, 'f1', x=2)]
    trials.append(a_trial('b', 0, 'f2'))
    results = SweepResults(path, trials, SELECT)
    for trial, mean in zip(reversed(trials), (1.0, 3.0, 2.0)):
        results.add(trial, dict(stages=a_line('', 0, mean)['stages']))
    again = SweepResults(path, trials, SELECT)
    assert [line['row'] for line in again.lines] == ['a,x=1', 'a,x=2', 'b']
    assert again.missing() == [] and again.winners() == ['a,x=2', 'b']
    again.add_test(trials[2:], {'accuracy/top1': 7.0})
    assert [p.name for p in path.parent.iterdir()] == ['results.jsonl']
    assert [again.is_tested(trial) for trial in trials] == [False, False, True]

    # Rows that the sweep no longer has, and those of other values, are kept.
    changed = [a_trial('b', 0, 'f3'), a_trial('c', 0, 'f4')]
    other = SweepResults(path, changed, SELECT)
    assert other.missing() == changed
    assert other.line(changed[0])['test'] == {'accuracy/top1': 7.0}
    other.add(changed[1], dict(stages={}))
    rows = [json.loads(line)['row'] for line in path.read_text().splitlines()]
    assert rows == ['b', 'c', 'a,x=1', 'a,x=2']

    path.write_text('{}\n<<<<<<< merge\n'.replace('{}', json.dumps(other.lines[0])))
    with pytest.raises(ValueError, match=r'line 2 of .*results.jsonl is not JSON'):
        SweepResults(path, trials, SELECT)


def test_a_test_belongs_to_the_stage_that_was_tested(tmp_path):
    trial = a_trial('a', 0, 'f0')
    results = SweepResults(tmp_path / 'results.jsonl', [trial], SELECT)
    results.add(trial, dict(stages={}))
    results.add_test([trial], {'accuracy/top1': 7.0})
    other = dict(SELECT, stage='stage1')
    assert not SweepResults(results.path, [trial], other).is_tested(trial)
    # Older files do not say which one it was.
    line = json.loads(results.path.read_text())
    assert line.pop('test_stage') == 'stage2'
    results.path.write_text(json.dumps(line))
    assert SweepResults(results.path, [trial], other).is_tested(trial)


def test_pairs_of_stages_make_a_table():
    lines = [a_line('ce', 0, 40.0), a_line('ce+crt', 0, 43.0), a_line('sam', 0, 41.0)]
    lines += [a_line('ce', 1, 42.0), a_line('sam+gcl+x', 0, 5.0)]
    rows = list(dict.fromkeys(line['row'] for line in lines))
    table = pair_table(lines, rows, 'stage2', SELECT).splitlines()
    cells = [[cell.strip() for cell in row.split('|')[1:-1]] for row in table]
    assert cells[0] == ['', 'no second stage', 'crt', 'gcl+x']
    assert cells[2:] == [
        ['ce', '41.0 ± 1.4', '**43.0**', '-'],
        ['sam', '41.0', '-', '5.000'],
    ]
    assert pair_table(lines, ['ce', 'sam'], 'stage2', SELECT) == ''


def test_pictures_are_of_rows_and_numeric_axes(tmp_path, monkeypatch):
    scales = {}
    draw = plots._figure

    def figure(height):
        made = draw(height)
        save = made[0].savefig
        made[0].savefig = lambda path, **kw: (
            scales.update({Path(path).name: made[1]}),
            save(path, **kw),
        )
        return made

    monkeypatch.setattr(plots, '_figure', figure)
    points = [
        dict(rho=rho, cap=cap, mode='x', epochs=epochs)
        for rho in (0, 0.01, 1.0)
        for cap in (0.1, None)
        for epochs in (10, 20)
    ]
    trials = [a_trial('ce', seed, 'f') for seed in (0, 1)]
    trials += [a_trial('cc/sam', s, 'f', **point) for point in points for s in (0, 1)]
    lines = [a_line(t.row, t.seed, 50.0 + i) for i, t in enumerate(trials)]
    pictures = plot_sweep(lines, trials, SELECT, str(tmp_path / 'new' / 'a'), 'ce')
    assert [Path(path).name for path in pictures] == [
        'a_rows.png', 'a_cc_sam_rho.png', 'a_cc_sam_epochs.png'
    ]  # fmt: skip
    for path in pictures:
        assert imread(path)[..., :3].std() > 0.05
    assert scales['a_cc_sam_rho.png'].get_xscale() == 'symlog'
    assert scales['a_cc_sam_epochs.png'].get_xscale() == 'linear'
    # One curve per value of the other axes, with the mean over the seeds.
    curves = scales['a_cc_sam_rho.png'].containers
    labels = [curve.get_label() for curve in curves]
    assert labels == [
        f'cap={cap}, epochs={epochs}' for cap in (0.1, None) for epochs in (10, 20)
    ]
    means = curves[1].lines[0].get_ydata().astype(float)
    rows = [f'cc/sam,rho={r},cap=0.1,mode=x,epochs=20' for r in (0, 0.01, 1.0)]
    wanted = [
        np.mean([
            line['stages']['stage2']['metrics']['accuracy/class_mean']
            for line in lines if line['row'] == row
        ])
        for row in rows
    ]  # fmt: skip
    np.testing.assert_allclose(means, wanted)
    # No bars, which would have to start at zero.
    assert not scales['a_rows.png'].patches
    means = [bar.lines[0].get_xdata()[0] for bar in scales['a_rows.png'].containers]
    assert len(means) == 13 and means[0] == 50.5


def test_no_results_make_no_pictures(tmp_path):
    trials = [a_trial('ce', 0, 'f')]
    assert plot_sweep([], trials, SELECT, str(tmp_path / 'new' / 'a')) == []
    assert list(tmp_path.iterdir()) == []
