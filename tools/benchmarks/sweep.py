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
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

TOOLS = osp.dirname(osp.dirname(osp.abspath(__file__)))
sys.path.append(TOOLS)

from tool_utils import load_config  # noqa: E402  (first: it finds the package)

# isort: split
import mmengine  # noqa: E402
import mmpretrain  # noqa: E402
import torch  # noqa: E402

import ccsam_mm  # noqa: E402
from ccsam_mm.analysis import (  # noqa: E402
    best_row,
    expand_sweep,
    load_sweep,
    plot_sweep,
    remaining_seconds,
    run_tasks,
    sweep_table,
)
from ccsam_mm.analysis.sweep_report import mean_and_deviation, values_of  # noqa: E402
from ccsam_mm.analysis.sweep_results import (  # noqa: E402
    measure,
    read_lines,
    read_marker,
    step_back,
    write_lines,
    write_whole,
)
from ccsam_mm.engine.hooks.utils import last_checkpoint  # noqa: E402

THREADS = ('OMP', 'MKL', 'OPENBLAS', 'NUMEXPR')
LAST_LINES = 12


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


def train_options(stage):
    """The options of tools/train.py beside config and work directory."""
    return ['--cfg-options', *stage.cfg_options]


def train_command(stage):
    """What trains a stage by hand."""
    tool = min(osp.join(TOOLS, 'train.py'), osp.relpath(osp.join(TOOLS, 'train.py')),
               key=len)  # fmt: skip
    command = ['python', tool, stage.config, '--work-dir', stage.work_dir]
    return shlex.join([*command, *train_options(stage)])


class LocalProcess:
    """A process group, which ends as a whole."""

    def __init__(self, command, log, env, keep_open=()):
        with open(log, 'ab') as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
                pass_fds=keep_open,
            )

    def poll(self):
        return self.process.poll()

    def terminate(self):
        self._signal(signal.SIGTERM)

    def kill(self):
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class RayTask:
    """A process that a worker of a Ray cluster waits for."""

    def __init__(self, command, log, env, threads):
        import ray

        def work():
            with open(log, 'ab') as out:
                return subprocess.run(
                    command, stdout=out, stderr=out, env={**os.environ, **env}, cwd=cwd
                ).returncode

        cwd = os.getcwd()
        ray.init(ignore_reinit_error=True)
        gpus = 1 if ray.cluster_resources().get('GPU') else 0
        remote = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(work)
        self.ray, self.task = ray, remote.remote()

    def poll(self):
        done, _ = self.ray.wait([self.task], timeout=0)
        if not done:
            return None
        try:
            return self.ray.get(self.task)
        except self.ray.exceptions.RayError as error:
            print(error, file=sys.stderr)
            return 1

    def terminate(self):
        self.ray.cancel(self.task)  # interrupts the worker, which ends its process

    def kill(self):
        self.ray.cancel(self.task, force=True)


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


def launch(args, tool, config, target, options, log, slot, lock):
    """Start tools/train.py (target: work directory) or test.py (a checkpoint)."""
    env = {f'{name}_NUM_THREADS': str(args.threads) for name in THREADS}
    if args.launcher == 'slurm':
        env.update(
            GPUS=os.environ.get('GPUS', '1'),
            GPUS_PER_NODE=os.environ.get('GPUS_PER_NODE', '1'),
            CPUS_PER_TASK=os.environ.get('CPUS_PER_TASK', str(args.threads)),
        )
        job = osp.basename(osp.dirname(log))
        command = ['bash', osp.join(TOOLS, f'slurm_{tool}.sh'), args.partition, job]
        command += [config, target, *options]
    else:
        command = [sys.executable, osp.join(TOOLS, f'{tool}.py'), config]
        command += ['--work-dir', target] if tool == 'train' else [target]
        command += options
    if args.launcher == 'ray':
        return RayTask(command, osp.abspath(log), env, args.threads)
    gpus = devices()
    if args.launcher == 'local' and len(gpus) > 1:
        env['CUDA_VISIBLE_DEVICES'] = gpus[slot % len(gpus)]
    return LocalProcess(command, log, {**os.environ, **env}, (lock,))


@contextlib.contextmanager
def locked(work_dir):
    """Keep a second sweep, and orphans of a killed one, out of a work directory.

    Trainings inherit the lock: it lasts until the last of them is over.
    """
    os.makedirs(work_dir, exist_ok=True)
    with open(osp.join(work_dir, '.lock'), 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError(
                f'{work_dir} is in use by another sweep.py, or by trainings that a '
                'killed one has left: wait for them, or end them.'
            ) from None
        yield file.fileno()


class Sweeper:
    """Trains what is missing, and keeps the JSON lines up to date."""

    def __init__(self, args, sweep, trials, lock):
        self.args, self.sweep, self.trials, self.lock = args, sweep, trials, lock
        self.chosen = choose(trials, args, sweep)
        self.results = Results(sweep, trials)
        self.start = time.monotonic()
        self.measured, self.done, self.stages = [], 0, {}

    def train(self):
        """Train all missing stages; returns the number of those that failed."""
        if self.args.rerun:
            self.forget()
        for trial in self.results.missing(self.chosen):
            self.stages.update(
                {s.work_dir: s for s in trial.stages if read_marker(s) is None}
            )
        self.results.update(self.chosen)
        needs = {
            key: stage.loads and stage.loads.work_dir
            for key, stage in self.stages.items()
        }
        print(
            f'{len(self.chosen)} results, of which '
            f'{len(self.results.missing(self.chosen))} are missing: '
            f'{len(needs)} trainings, logs in {self.sweep["work_dir"]}/*/sweep.log',
            flush=True,
        )
        return len(
            run_tasks(needs, self.start_stage, self.finish_stage, self.args.jobs)
        )

    def forget(self):
        """Delete what --rerun trains again."""
        for trial in self.chosen:
            for stage in trial.stages:
                shutil.rmtree(stage.work_dir, ignore_errors=True)
        self.results.drop(self.chosen)

    def start_stage(self, key, slot):
        stage = self.stages[key]
        os.makedirs(key, exist_ok=True)
        step_back(stage)
        options = ['--resume', *train_options(stage)]
        log = osp.join(key, 'sweep.log')
        return launch(
            self.args, 'train', stage.config, key, options, log, slot, self.lock
        )

    def finish_stage(self, key, code):
        stage = self.stages[key]
        self.done += 1
        count = f'[{self.done}/{len(self.stages)}] {osp.basename(key)}'
        if code is None:
            print(f'{count}: not started, {stage.loads.work_dir} has failed')
            return False
        try:
            if code:
                raise RuntimeError(f'exit status {code}')
            record = dict(measure(stage), versions=versions())
        except (RuntimeError, ValueError) as error:
            print(
                f'{count}: FAILED, {error}\n{last_lines(key, "sweep.log")}', flush=True
            )
            return False
        write_whole(stage.marker, json.dumps(record))
        self.results.update(self.chosen)
        self.measured.append((stage.name, record['seconds']))
        print(f'{count}: {self.summary(stage, record)}', flush=True)
        return True

    def summary(self, stage, record):
        """The rest of a line of progress."""
        metric = self.sweep['select']['metric']
        value = record['metrics'].get(metric)
        text = f'{metric} ' + ('-' if value is None else f'{value:.1f}')
        waiting = [s.name for s in self.stages.values() if read_marker(s) is None]
        left = remaining_seconds(waiting, self.measured, self.args.jobs)
        elapsed = duration(time.monotonic() - self.start)
        text += f' | {elapsed} elapsed, about {duration(left)} left'
        return text + self.results.so_far()

    def test(self):
        """Test the best row of each run; returns the number of failed tests."""
        missing = self.results.missing(self.trials)
        if missing:
            print(f'Not tested: {len(missing)} results to choose by are missing.')
            return 1
        self.tests, select = {}, self.sweep['select']
        winners = self.results.winners()
        for trial in self.chosen:
            if trial.row in winners and 'test' not in self.results.line(trial):
                stage = trial.stage(select['stage'])
                self.tests.setdefault(stage.work_dir, []).append(trial)
        print(f'{len(self.tests)} tests of {" ".join(winners)}', flush=True)
        needs = dict.fromkeys(self.tests)
        return len(run_tasks(needs, self.start_test, self.finish_test, self.args.jobs))

    def start_test(self, key, slot):
        stage = self.tests[key][0].stage(self.sweep['select']['stage'])
        checkpoint = last_checkpoint(key)
        if checkpoint is None:
            print(f'{key} has no checkpoint to test: train it again by --rerun.')
            return SimpleNamespace(poll=lambda: 1)
        metrics = osp.join(key, 'test_metrics.json')
        options = ['--work-dir', key, '--out', metrics, '--out-item', 'metrics']
        options += train_options(stage)
        log = osp.join(key, 'test.log')
        return launch(
            self.args, 'test', stage.config, checkpoint, options, log, slot, self.lock
        )

    def finish_test(self, key, code):
        if code:
            print(
                f'{key}: test FAILED, exit status {code}\n{last_lines(key, "test.log")}'
            )
            return False
        metrics = json.loads(Path(key, 'test_metrics.json').read_text())
        numbers = {k: v for k, v in metrics.items() if isinstance(v, (int, float))}
        for trial in self.tests[key]:
            self.results.line(trial)['test'] = numbers
        self.results.write()
        return True


class Results:
    """The JSON lines of a sweep."""

    def __init__(self, sweep, trials):
        self.sweep, self.trials = sweep, trials
        self.lines = {(x['row'], x['seed']): x for x in read_lines(sweep['results'])}
        self.rows = list(dict.fromkeys(trial.row for trial in trials))

    def line(self, trial):
        return self.lines.get((trial.row, trial.seed))

    def missing(self, trials):
        """The trials without a line, or with one of other config values."""
        return [t for t in trials if (self.line(t) or {}).get('id') != t.id]

    def stale(self):
        return [t for t in self.missing(self.trials) if self.line(t)]

    def drop(self, trials):
        for trial in trials:
            self.lines.pop((trial.row, trial.seed), None)
        self.write()

    def update(self, trials):
        """Add the trials that are over."""
        for trial in self.missing(trials):
            markers = [read_marker(stage) for stage in trial.stages]
            if None not in markers:
                self.lines[trial.row, trial.seed] = line_of(trial, markers)
                self.write()

    def write(self):
        """In the order of the rows; lines that the sweep no longer has come last."""
        order = [(t.row, t.seed) for t in self.trials if self.line(t)]
        order += [key for key in self.lines if key not in order]
        write_lines(self.sweep['results'], [self.lines[key] for key in order])

    def current(self):
        """The lines that belong to the sweep."""
        return [self.line(trial) for trial in self.trials if self.line(trial)]

    def winners(self):
        """The best row of each run, on the validation part."""
        runs = {}
        for trial in self.trials:
            runs.setdefault(trial.run, []).append(trial.row)
        best = (
            best_row(self.current(), r, self.sweep['select']) for r in runs.values()
        )
        return [row for row in best if row]

    def so_far(self):
        """The best row and the baseline, in brief."""
        select = self.sweep['select']
        best = best_row(self.current(), self.rows, select)
        text = ''
        for row in dict.fromkeys([best, self.sweep['baseline']]):
            if row:
                values = values_of(
                    self.current(), row, select['stage'], select['metric']
                )
                mean = mean_and_deviation(list(values.values()))
                text += f' | {"best" if row == best else "baseline"} {row}: {mean}'
                text += f' ({len(values)})'
        return text


def line_of(trial, markers):
    """The JSON line of a trial: what was measured, and how to do it again."""
    stages = {}
    for stage, marker in zip(trial.stages, markers):
        record = {key: value for key, value in marker.items() if key != 'versions'}
        stages[stage.name] = dict(
            record,
            config=stage.config,
            overrides=stage.overrides,
            command=train_command(stage),
        )
    return dict(
        row=trial.row,
        run=trial.run,
        point=trial.point,
        seed=trial.seed,
        id=trial.id,
        stages=stages,
        versions=markers[-1]['versions'],
    )


def versions():
    """What a result may depend on beside its config."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'
    modules = (torch, mmengine, mmpretrain, ccsam_mm)
    return dict({m.__name__: str(m.__version__) for m in modules}, device=device)


def last_lines(work_dir, name):
    """The end of a log, indented."""
    path = Path(work_dir, name)
    lines = path.read_text(errors='replace').splitlines() if path.exists() else []
    return '\n'.join(f'    {line}' for line in lines[-LAST_LINES:])


def duration(seconds):
    return '?' if seconds is None else str(timedelta(seconds=round(seconds)))


def report(args, sweep, trials):
    """Print the tables, and write them and the pictures beside the JSON lines."""
    results, select = Results(sweep, trials), sweep['select']
    lines, stem = results.current(), osp.splitext(sweep['results'])[0]
    if not lines:
        print(f'{sweep["results"]} has no results yet.')
        return
    stages = [stage.name for trial in trials for stage in trial.stages]
    stages = list(dict.fromkeys([select['stage'], *stages]))
    text = [head(args, sweep, trials, results)]
    for stage in stages:
        rows = list(dict.fromkeys(t.row for t in trials if t.stage(stage)))
        if any(stage in line['stages'] for line in lines):
            table = sweep_table(lines, rows, stage, select, sweep['baseline'])
            text.append(f'## Validation after {stage}\n\n{table}')
    tested = [row for row in results.winners()
              if values_of(lines, row, 'test', select['metric'])]  # fmt: skip
    if tested:
        base = sweep['baseline'] if sweep['baseline'] in tested else None
        table = sweep_table(lines, tested, 'test', select, base)
        text.append(f'## Test of the rows chosen by validation\n\n{table}')
    write_whole(f'{stem}.md', '\n\n'.join(text) + '\n')
    print('\n' + '\n\n'.join(text[1:]))
    pictures = plot_sweep(lines, trials, select, stem, sweep['baseline'])
    print(f'\nWritten: {stem}.md {" ".join(pictures)}')


def head(args, sweep, trials, results):
    """What the table is, and how to do it again."""
    tool = 'python tools/benchmarks/sweep.py ' + shlex.quote(args.sweep)
    text = [
        f'# {osp.splitext(osp.basename(args.sweep))[0]}',
        f'Made by `{tool}`; a row again: `{tool} --only ROW --seeds SEED --rerun`.',
        'Means ± sample deviations over the seeds; the best '
        f'{sweep["select"]["metric"]} is bold.',
    ]
    if sweep['baseline']:
        text[-1] += f' Differences are to `{sweep["baseline"]}`, paired by seed.'
    if results.missing(trials):
        text.append(
            f'{len(results.missing(trials))} of {len(trials)} results are missing or '
            f'older than a change of their configs ({len(results.stale())}).'
        )
    text += warnings(trials)
    return '\n\n'.join(text)


def warnings(trials):
    """A sentence where rows would be chosen on test images."""
    if any(s.validates_on_test for trial in trials for s in trial.stages):
        return [
            'The validation part is the test split here: do not choose settings by '
            'this table, or override val_dataloader.'
        ]
    return []


def dry_run(sweep, trials, args):
    """Print what would be trained."""
    results = Results(sweep, trials)
    seen = set()
    for trial in choose(trials, args, sweep):
        state = 'missing' if results.missing([trial]) else 'finished'
        print(f'# {trial.row}, seed {trial.seed}: {state}')
        for stage in trial.stages:
            if stage.work_dir not in seen and state == 'missing':
                done = '# finished: ' if read_marker(stage) else ''
                print(done + train_command(stage))
            seen.add(stage.work_dir)


def interrupt(*_):
    """End children as Ctrl-C does, also where a scheduler sends SIGTERM."""
    raise KeyboardInterrupt


def main(argv=None):
    args = parse_args(argv)
    sweep = load_sweep(args.sweep)
    trials = expand_sweep(sweep, load_config)
    for sentence in warnings(trials):
        print(f'Warning: {sentence}', file=sys.stderr)
    if args.dry_run or args.report_only:
        dry_run(sweep, trials, args) if args.dry_run else report(args, sweep, trials)
        return 0
    check_launcher(args)
    signal.signal(signal.SIGTERM, interrupt)
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
    try:
        sys.exit(main())
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        sys.exit(f'sweep.py: {error}')
