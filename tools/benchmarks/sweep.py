# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Trains the rows of a sweep file with several seeds, and writes tables of them.

    python tools/benchmarks/sweep.py SWEEP.py --jobs 2

Call it again after a kill: finished trainings are kept, interrupted ones are resumed,
and failed ones are tried again. A sweep file is a config such as

    work_dir = 'work_dirs/sweeps/digits'       # default: work_dirs/sweeps/FILE NAME
    results = 'docs/sweeps/digits.jsonl'       # default: results.jsonl in work_dir
    seeds = [0, 1, 2]
    # Overrides of every training; 'stage1.KEY' is for the stages named stage1.
    common = {'train_cfg.val_interval': 10}
    baseline = 'ce'                            # differences are taken from this row
    # How rows are compared, on the validation part; rule='less' is for losses.
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
is not in the config is refused; '+KEY' adds one. Helpers begin with an underscore.
"""

import argparse
import os.path as osp
import signal
import sys

TOOLS = osp.dirname(osp.dirname(osp.abspath(__file__)))
sys.path.append(TOOLS)

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('sweep')

from tool_utils import load_config  # noqa: E402  (first: it finds the package)

# isort: split
from ccsam_mm.experiments import expand_sweep, load_sweep  # noqa: E402
from ccsam_mm.experiments.launcher import Launcher, check_launcher  # noqa: E402
from ccsam_mm.experiments.lock import sweep_lock  # noqa: E402
from ccsam_mm.experiments.report import report_warnings, write_report  # noqa: E402
from ccsam_mm.experiments.running import print_commands, run_sweep  # noqa: E402
from ccsam_mm.experiments.trial import choose_trials  # noqa: E402


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
        parser.error('--jobs and --threads must be 1 or more.')
    if args.launcher == 'slurm' and not args.partition:
        parser.error('--launcher slurm needs --partition NAME.')
    return args


def interrupt(*_):
    """End children as Ctrl-C does, also where a scheduler sends SIGTERM."""
    raise KeyboardInterrupt


def main(argv=None):
    args = parse_args(argv)
    sweep = load_sweep(args.sweep)
    trials = expand_sweep(sweep, load_config)
    for sentence in report_warnings(sweep, trials):
        print(f'Warning: {sentence}', file=sys.stderr)
    if args.report_only and not args.dry_run:
        write_report(sweep, trials)
        return 0
    launcher = Launcher(TOOLS, args.launcher, args.threads, args.partition)
    if args.dry_run:
        chosen = choose_trials(trials, sweep, args.only, args.seeds)
        print_commands(sweep, trials, chosen, launcher, args.rerun)
        return 0
    check_launcher(args.launcher)
    with sweep_lock(sweep['work_dir']) as lock:
        chosen = choose_trials(trials, sweep, args.only, args.seeds)
        launcher.keep_open = (lock,)
        test = args.test or sweep['test']
        return run_sweep(sweep, trials, chosen, launcher, args.jobs, args.rerun, test)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main())
    except (OSError, ImportError) as error:
        sys.exit(f'sweep.py: {error}')
