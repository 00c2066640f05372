# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Trains the rows of a sweep file with several seeds, and makes a table of them.

    python tools/benchmarks/sweep.py SWEEP.py --jobs 2

Call it again after a kill: what is finished is kept, what was interrupted is resumed,
what has failed is tried again. A sweep file is a config such as

    work_dir = 'work_dirs/sweeps/digits'       # default: work_dirs/sweeps/FILE NAME
    results = 'docs/sweeps/digits.jsonl'       # default: results.jsonl in work_dir
    seeds = [0, 1, 2]
    # Of every training; 'stage1.KEY' is of those that are called stage1 alone.
    common = {'train_cfg.val_interval': 10}
    baseline = 'ce'                            # differences are taken from this row
    # What rows are compared by, on the validation part; rule='less' prefers losses.
    select = dict(metric='accuracy/class_mean', stage='stage2', rule='greater')
    test = False                               # True is --test
    runs = [
        dict(
            name='ccsam',
            stages=[
                dict(name='stage1', config='a_stage1.py', overrides={...}),
                dict(name='stage2', config='a_stage2.py', loads='stage1'),
            ],
            grid={'stage1.optim_wrapper.rho_scale': [0.001, 0.01]},
        ),
    ]

A stage whose config has the hook load_stage1 starts from the stage before it, or from
the one that `loads` names. Trainings that rows have in common are done once. A key that
a config lacks is refused; '+KEY' adds one. Helpers begin with an underscore.
"""

import argparse
import contextlib
import fcntl
import json
import os
import os.path as osp
import shlex
import shutil
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

TOOLS = osp.dirname(osp.dirname(osp.abspath(__file__)))
sys.path.append(TOOLS)

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('sweep')

from tool_utils import load_config  # noqa: E402  (first: it finds the package)

# isort: split
import mmengine  # noqa: E402
import mmpretrain  # noqa: E402
import torch  # noqa: E402

import ccsam_mm  # noqa: E402
from ccsam_mm.experiments import (  # noqa: E402
    SweepResults,
    best_row,
    expand_sweep,
    load_sweep,
    plot_sweep,
    remaining_seconds,
    run_tasks,
    sweep_table,
)
from ccsam_mm.experiments.logs import (  # noqa: E402
    measure,
    read_marker,
    step_back,
)
from ccsam_mm.experiments.processes import LocalProcess, RayTask  # noqa: E402
from ccsam_mm.experiments.report import mean_and_deviation, values_of  # noqa: E402
from ccsam_mm.utils.checkpoints import last_checkpoint  # noqa: E402
from ccsam_mm.utils.files import write_whole  # noqa: E402

THREADS = ('OMP', 'MKL', 'OPENBLAS', 'NUMEXPR')
LAST_LINES = 12
TESTED = 'test_metrics.json'


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('sweep', help='the sweep file')
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time')
    parser.add_argument('--threads', type=int, default=1, help='of each training')
    parser.add_argument(
        '--only', nargs='+', metavar='NAME', help='these runs or rows alone'
    )
    parser.add_argument('--seeds', type=int, nargs='+', help='these seeds alone')
    parser.add_argument(
        '--rerun',
        action='store_true',
        help='delete the work directories of --only and --seeds, and train them again',
    )
    parser.add_argument(
        '--test',
        action='store_true',
        help='at the end, test the best row of each run, chosen on the validation part',
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='print the commands, and run none'
    )
    parser.add_argument(
        '--report-only',
        action='store_true',
        help='make table and pictures from the JSON lines',
    )
    parser.add_argument(
        '--launcher',
        choices=['local', 'slurm', 'ray'],
        default='local',
        help='where trainings run: here, through tools/slurm_train.sh (its environment '
        'variables apply; GPUS=1 by default), or as tasks of a Ray cluster',
    )
    parser.add_argument('--partition', help='of Slurm')
    args = parser.parse_args(argv)
    if args.jobs < 1 or args.threads < 1:
        parser.error('--jobs and --threads have to be 1 or more.')
    if args.launcher == 'slurm' and not args.partition:
        parser.error('--launcher slurm needs --partition NAME.')
    return args


def choose(trials, args, sweep):
    """The trials of --only and --seeds, every row once before any row twice."""
    rows = {name for trial in trials for name in (trial.run, trial.row)}
    for name in args.only or ():
        if name not in rows:
            raise ValueError(f"--only '{name}' is none of {' '.join(sorted(rows))}.")
    for seed in args.seeds or ():
        if seed not in sweep['seeds']:
            raise ValueError(f'--seeds {seed} is not in `seeds` of {args.sweep}.')
    chosen = [
        trial
        for trial in trials
        if (not args.only or trial.run in args.only or trial.row in args.only)
        and (not args.seeds or trial.seed in args.seeds)
    ]
    return sorted(chosen, key=lambda trial: sweep['seeds'].index(trial.seed))


def train_command(stage):
    """What trains a stage by hand."""
    tool = osp.join(TOOLS, 'train.py')
    tool = min(tool, osp.relpath(tool), key=len)
    command = ['python', tool, stage.config, '--work-dir', stage.work_dir]
    return shlex.join([*command, '--cfg-options', *stage.cfg_options])


def check_launcher(args):
    """Say what a launcher lacks before anything starts."""
    if args.launcher == 'ray':
        try:
            import ray  # noqa: F401
        except ImportError:
            raise ModuleNotFoundError(
                '--launcher ray needs Ray: `pip install ray`, or leave --launcher out.'
            ) from None
    if args.launcher == 'slurm' and shutil.which('srun') is None:
        raise FileNotFoundError(
            '--launcher slurm needs srun, which is not on the PATH: start the sweep on '
            'a login node, or leave --launcher out.'
        )


def devices():
    """The GPUs that local trainings share out among them."""
    if 'CUDA_VISIBLE_DEVICES' in os.environ:
        return [d for d in os.environ['CUDA_VISIBLE_DEVICES'].split(',') if d]
    return [str(d) for d in range(torch.cuda.device_count())]


def launch(args, tool, config, target, options, slot, lock):
    """Start tools/train.py (target: a work directory) or test.py (a checkpoint)."""
    work_dir = target if tool == 'train' else osp.dirname(target)
    log = osp.join(work_dir, f'{tool}.log')
    env = {f'{name}_NUM_THREADS': str(args.threads) for name in THREADS}
    command = [sys.executable, osp.join(TOOLS, f'{tool}.py'), config]
    command += ['--work-dir', target] if tool == 'train' else [target]
    if args.launcher == 'ray':
        return RayTask([*command, *options], log, env, args.threads)
    if args.launcher == 'slurm':
        command = ['bash', osp.join(TOOLS, f'slurm_{tool}.sh'), args.partition]
        command += [osp.basename(work_dir), config, target]
        needs = dict(GPUS=1, GPUS_PER_NODE=1, CPUS_PER_TASK=args.threads)
        env.update({k: os.environ.get(k, str(v)) for k, v in needs.items()})
    elif len(devices()) > 1:
        env['CUDA_VISIBLE_DEVICES'] = devices()[slot % len(devices())]
    return LocalProcess([*command, *options], log, {**os.environ, **env}, (lock,))


@contextlib.contextmanager
def locked(work_dir):
    """Keep a second sweep, and orphans of a killed one, out of a work directory.

    Trainings inherit the lock: it lasts until the last of them is over.
    """
    os.makedirs(work_dir, exist_ok=True)
    with open(osp.join(work_dir, '.lock'), 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f'{work_dir} is in use by another sweep.py, or by trainings that a '
                'killed one has left: wait for them, or end them.'
            ) from None
        yield file.fileno()


class Sweeper:
    """Trains what is missing, and keeps the JSON lines up to date."""

    def __init__(self, args, sweep, trials, lock):
        self.args, self.select, self.lock = args, sweep['select'], lock
        self.baseline = sweep['baseline']
        self.chosen = choose(trials, args, sweep)
        self.results = SweepResults(sweep['results'], trials, self.select)
        self.stages, self.labels, self.tests = {}, {}, {}
        self.started, self.measured, self.done = {}, [], 0
        self.broken = []
        self.start = time.monotonic()

    def train(self):
        """Train all missing stages; returns the number of those that failed."""
        if self.args.rerun:
            for stage in (s for trial in self.chosen for s in trial.stages):
                shutil.rmtree(stage.work_dir, ignore_errors=True)
            self.results.outdate(self.chosen)
        for problem in self.results.problems:
            print(f'Warning: {problem}', file=sys.stderr)
        self.leave_out_broken()
        self.collect()
        missing = self.results.missing(self.chosen)
        for trial in missing:
            for stage in trial.stages:
                if read_marker(stage) is None:
                    self.stages[stage.work_dir] = stage
                    label = f'{stage.name} of {trial.row}, seed {trial.seed}'
                    self.labels.setdefault(stage.work_dir, label)
        print(
            f'{len(missing)} of {len(self.chosen)} results are missing: '
            f'{len(self.stages)} trainings',
            flush=True,
        )
        needs = {k: s.loads and s.loads.work_dir for k, s in self.stages.items()}
        failed = run_tasks(needs, self.start_stage, self.end_stage, self.args.jobs)
        return len(failed) + len(self.broken)

    def leave_out_broken(self):
        """Leave out the trials whose finished stages can not be read."""
        for trial in self.results.missing(self.chosen):
            try:
                for stage in trial.stages:
                    read_marker(stage)
            except ValueError as error:
                print(f'{trial.row}, seed {trial.seed}: FAILED, {error}', flush=True)
                self.broken.append(trial)
        self.chosen = [trial for trial in self.chosen if trial not in self.broken]

    def collect(self):
        """Write the lines of trials whose stages are all over."""
        for trial in self.results.missing(self.chosen):
            markers = [read_marker(stage) for stage in trial.stages]
            if None not in markers:
                self.results.add(trial, line_of(trial, markers))

    def start_stage(self, key, slot):
        """Start a training, or go on with it."""
        stage = self.stages[key]
        os.makedirs(key, exist_ok=True)
        step_back(stage)
        self.started[key] = time.monotonic()
        options = ['--resume', '--cfg-options', *stage.cfg_options]
        return launch(
            self.args, 'train', stage.config, key, options, slot=slot, lock=self.lock
        )

    def end_stage(self, key, code):
        """Read what a training has measured; returns whether there is something."""
        stage = self.stages[key]
        self.done += 1
        count = f'[{self.done}/{len(self.stages)}] {self.labels[key]}: '
        if code is None:
            print(f'{count}not started, because {stage.loads.name} has failed')
            return False
        try:
            if code:
                raise ValueError(f'exit status {code}, {key}/train.log ends with')
            record = dict(measure(stage), versions=versions())
        except ValueError as error:
            print(f'{count}FAILED, {error}\n{last_lines(key, "train")}', flush=True)
            return False
        write_whole(stage.marker, json.dumps(record))
        self.collect()
        self.measured.append((stage.name, time.monotonic() - self.started[key]))
        print(f'{count}{self.progress(record)}', flush=True)
        return True

    def progress(self, record):
        """The result of a training, the time, and the table in brief."""
        metric = self.select['metric']
        value = record['metrics'].get(metric)
        text = f'{metric} ' + ('-' if value is None else f'{value:.1f}')
        waiting = [s.name for s in self.stages.values() if not osp.isfile(s.marker)]
        left = remaining_seconds(waiting, self.measured, self.args.jobs)
        text += f' | {duration(time.monotonic() - self.start)} elapsed, '
        text += f'{duration(left)} left'
        results = self.results
        best = best_row(results.lines, results.rows, self.select)
        for row in filter(None, dict.fromkeys([best, self.baseline])):
            own = values_of(results.lines, row, self.select['stage'], metric).values()
            text += f' | {"best" if row == best else "baseline"} {row}: '
            text += f'{mean_and_deviation(list(own))} ({len(own)})'
        return text

    def test(self):
        """Test the best row of each run; returns the number of failed tests."""
        missing = self.results.missing()
        if missing:
            print(f'Not tested: {len(missing)} results to choose by are missing.')
            return 0
        winners = self.results.winners()
        for trial in self.chosen:
            if trial.row in winners and not self.results.is_tested(trial):
                stage = trial.stage(self.select['stage'])
                self.tests.setdefault(stage.work_dir, []).append(trial)
        print(f'{len(self.tests)} tests to do, of {" ".join(winners)}', flush=True)
        needs = dict.fromkeys(self.tests)
        return len(run_tasks(needs, self.start_test, self.end_test, self.args.jobs))

    def start_test(self, key, slot):
        """Start a test of the last checkpoint."""
        stage = self.tests[key][0].stage(self.select['stage'])
        checkpoint = last_checkpoint(key)
        if checkpoint is None:
            raise FileNotFoundError(
                f'{key} has no checkpoint to test: train it again by --rerun.'
            )
        options = ['--work-dir', key, '--out', osp.join(key, TESTED), '--out-item']
        options += ['metrics', '--cfg-options', *stage.cfg_options]
        return launch(
            self.args, 'test', stage.config, checkpoint, options, slot, self.lock
        )

    def end_test(self, key, code):
        """Read what a test has measured; returns whether it succeeded."""
        if code:
            print(f'{key}: FAILED, exit status {code}\n{last_lines(key, "test")}')
            return False
        try:
            metrics = json.loads(Path(key, TESTED).read_text())
        except (OSError, ValueError) as error:
            print(f'{key}: FAILED, {Path(key, TESTED)} is unreadable ({error})')
            return False
        numbers = {k: v for k, v in metrics.items() if isinstance(v, (int, float))}
        self.results.add_test(self.tests[key], numbers)
        return True


def line_of(trial, markers):
    """What was measured in a trial, and how to do it again."""
    stages = {}
    for stage, marker in zip(trial.stages, markers):
        record = {key: value for key, value in marker.items() if key != 'versions'}
        stages[stage.name] = dict(
            record,
            config=stage.config,
            overrides=stage.overrides,
            command=train_command(stage),
        )
    return dict(stages=stages, versions=markers[-1]['versions'])


def versions():
    """What a result may depend on beside its config."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'
    modules = (torch, mmengine, mmpretrain, ccsam_mm)
    return dict({m.__name__: str(m.__version__) for m in modules}, device=device)


def last_lines(work_dir, tool):
    """The end of a log, indented; a cluster's worker may not have come to write one."""
    log = Path(work_dir, f'{tool}.log')
    lines = log.read_text(errors='replace').splitlines() if log.is_file() else []
    return '\n'.join(f'    {line}' for line in lines[-LAST_LINES:])


def duration(seconds):
    return '?' if seconds is None else str(timedelta(seconds=round(seconds)))


def report(args, sweep, trials):
    """Print the tables, and write them and the pictures beside the JSON lines."""
    select, baseline = sweep['select'], sweep['baseline']
    results = SweepResults(sweep['results'], trials, select)
    lines, stem = results.lines, osp.splitext(sweep['results'])[0]
    if not lines:
        print(f'{sweep["results"]} has no results yet.')
        return
    stages = [stage.name for trial in trials for stage in trial.stages]
    tables = []
    for stage in dict.fromkeys([select['stage'], *stages]):
        rows = list(dict.fromkeys(t.row for t in trials if t.stage(stage)))
        table = sweep_table(lines, rows, stage, select, baseline)
        tables.append(f'## Validation after {stage}\n\n{table}')
    tested = [results.line(trial) for trial in trials if results.is_tested(trial)]
    rows = [row for row in results.winners()
            if values_of(tested, row, 'test', select['metric'])]  # fmt: skip
    if rows:
        table = sweep_table(
            tested, rows, 'test', select, baseline if baseline in rows else None
        )
        tables.append(f'## Test of the rows that validation chose\n\n{table}')
    text = '\n\n'.join([head(args, sweep, trials, results), *tables])
    write_whole(f'{stem}.md', text + '\n')
    pictures = plot_sweep(lines, trials, select, stem, baseline)
    print('\n' + '\n\n'.join(tables))
    print(f'\nWritten: {stem}.md {" ".join(pictures)}')


def head(args, sweep, trials, results):
    """What the tables are, and how to make them again."""
    tool = f'python tools/benchmarks/sweep.py {shlex.quote(args.sweep)}'
    text = [
        f'# {osp.splitext(osp.basename(args.sweep))[0]}',
        f'Made by `{tool}`; a row again: `{tool} --only ROW --seeds SEED --rerun`.',
        'Means ± sample deviations over the seeds; the best '
        f'{sweep["select"]["metric"]} is bold.',
    ]
    if sweep['baseline']:
        text[-1] += f' Differences are to `{sweep["baseline"]}`, paired by seed.'
    missing = results.missing()
    if missing:
        old = sum(results.line(trial) is not None for trial in missing)
        text.append(
            f'Incomplete: of {len(trials)} results, {len(missing) - old} are missing, '
            f"and {old} are of other config values than today's."
        )
    return '\n\n'.join(text + warnings(sweep, trials))


def warnings(sweep, trials):
    """A sentence where rows would be chosen by test images."""
    stages = [trial.stage(sweep['select']['stage']) for trial in trials]
    if not any(stage.validates_on_test for stage in stages):
        return []
    return [
        'The validation images are those of the test here: choose no settings by this '
        'table, or override val_dataloader.'
    ]


def dry_run(args, sweep, trials):
    """Print what would be trained."""
    results, seen = SweepResults(sweep['results'], trials, sweep['select']), set()
    for trial in choose(trials, args, sweep):
        missing = args.rerun or results.missing([trial])
        print(f'# {trial.row}, seed {trial.seed}' + ('' if missing else ': finished'))
        for stage in trial.stages if missing else ():
            if stage.work_dir not in seen:
                done = not args.rerun and osp.isfile(stage.marker)
                print(f'{"# finished: " if done else ""}{train_command(stage)}')
                seen.add(stage.work_dir)


def interrupt(*_):
    """End children as Ctrl-C does, also where a scheduler sends SIGTERM."""
    raise KeyboardInterrupt


def main(argv=None):
    args = parse_args(argv)
    sweep = load_sweep(args.sweep)
    trials = expand_sweep(sweep, load_config)
    for sentence in warnings(sweep, trials):
        print(f'Warning: {sentence}', file=sys.stderr)
    if args.dry_run or args.report_only:
        (dry_run if args.dry_run else report)(args, sweep, trials)
        return 0
    check_launcher(args)
    with locked(sweep['work_dir']) as lock:
        sweeper = Sweeper(args, sweep, trials, lock)
        try:
            failed = sweeper.train()
            if args.test or sweep['test']:
                failed += sweeper.test()
        except KeyboardInterrupt:
            print('Interrupted: call the same command again to go on.')
            return 130
        report(args, sweep, trials)
    if failed:
        print(f'{failed} failed: call the same command again to retry.')
    return 1 if failed else 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main())
    except (OSError, ImportError) as error:
        sys.exit(f'sweep.py: {error}')
