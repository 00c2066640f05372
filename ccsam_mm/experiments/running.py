# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A whole sweep: training, tests and the report."""

import os.path as osp
from typing import List

from .launcher import Launcher
from .report import write_report
from .results import SweepResults
from .testing import SweepTester
from .training import SweepTrainer
from .trial import SweepTrial


def run_sweep(
    sweep: dict,
    trials: List[SweepTrial],
    chosen: List[SweepTrial],
    launcher: Launcher,
    jobs: int = 1,
    rerun: bool = False,
    test: bool = False,
) -> int:
    """Train what is missing, test the best rows, and write the report.

    Args:
        sweep (dict): The return value of :func:`~ccsam_mm.experiments.load_sweep`.
        trials (list[SweepTrial]): All trials of the sweep.
        chosen (list[SweepTrial]): The trials to train.
        launcher (Launcher): Starts trainings and tests.
        jobs (int): The number of trainings at a time. Defaults to 1.
        rerun (bool): Whether to train chosen trials again that have finished. Defaults
            to False.
        test (bool): Whether to test the best row of each run. Defaults to False.

    Returns:
        int: The exit status: 0, 1 after failures, 130 after Ctrl-C.
    """
    results = SweepResults(sweep['results'], trials, sweep['select'])
    trainer = SweepTrainer(results, chosen, launcher, jobs, sweep['baseline'])
    try:
        if rerun:
            trainer.delete_results()
        failed = trainer.train()
        if test:
            failed += SweepTester(results, trainer.chosen, launcher, jobs).test()
    except KeyboardInterrupt:
        print('Interrupted: call the same command again to continue.')
        return 130
    write_report(sweep, trials)
    if failed:
        print(f'{failed} failed: call the same command again to retry.')
    return 1 if failed else 0


def print_commands(
    sweep: dict,
    trials: List[SweepTrial],
    chosen: List[SweepTrial],
    launcher: Launcher,
    rerun: bool = False,
) -> None:
    """Print the commands of the trainings that :func:`run_sweep` would start.

    Args:
        sweep (dict): The return value of :func:`~ccsam_mm.experiments.load_sweep`.
        trials (list[SweepTrial]): All trials of the sweep.
        chosen (list[SweepTrial]): The trials to train.
        launcher (Launcher): Knows the commands.
        rerun (bool): Whether finished trials would be trained again. Defaults to
            False.
    """
    results, seen = SweepResults(sweep['results'], trials, sweep['select']), set()
    for trial in chosen:
        missing = rerun or results.missing([trial])
        print(f'# {trial.row}, seed {trial.seed}' + ('' if missing else ': finished'))
        for stage in trial.stages if missing else ():
            if stage.work_dir not in seen:
                done = not rerun and osp.isfile(stage.marker)
                command = launcher.train_command(stage)
                print(f'{"# finished: " if done else ""}{command}')
                seen.add(stage.work_dir)
