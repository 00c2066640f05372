# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Trains the missing stages of a sweep."""

import json
import os
import os.path as osp
import shutil
import sys
import time
from typing import List, Optional

import mmengine
import mmpretrain
import torch

import ccsam_mm
from ccsam_mm.utils.files import write_whole

from .launcher import Launcher
from .logs import measure, read_marker, step_back
from .progress import duration, last_lines, standing
from .results import SweepResults
from .schedule import remaining_seconds, run_tasks
from .trial import SweepTrial


class SweepTrainer:
    """Trains the missing stages of chosen trials, and writes their JSON lines.

    Args:
        results (SweepResults): The JSON lines.
        chosen (list[SweepTrial]): The trials to train.
        launcher (Launcher): Starts the trainings.
        jobs (int): The number of trainings at a time. Defaults to 1.
        baseline (str, optional): The row that the progress lines compare with.
            Defaults to None.
    """

    def __init__(
        self,
        results: SweepResults,
        chosen: List[SweepTrial],
        launcher: Launcher,
        jobs: int = 1,
        baseline: Optional[str] = None,
    ):
        self.results, self.chosen, self.launcher = results, chosen, launcher
        self.jobs, self.baseline = jobs, baseline
        self.stages, self.labels = {}, {}  # by work directory
        self.started, self.measured, self.done = {}, [], 0
        self.start = time.monotonic()

    def delete_results(self) -> None:
        """Delete the work directories of the chosen trials, to train them again."""
        for stage in (stage for trial in self.chosen for stage in trial.stages):
            shutil.rmtree(stage.work_dir, ignore_errors=True)
        self.results.outdate(self.chosen)

    def train(self) -> int:
        """Train all missing stages.

        Returns:
            int: The number of failed trainings and unreadable trials.
        """
        for problem in self.results.problems:
            print(f'Warning: {problem}', file=sys.stderr)
        broken = self._leave_out_broken()
        self._collect()
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
        failed = run_tasks(needs, self._start, self._finish, self.jobs)
        return len(failed) + broken

    def _leave_out_broken(self) -> int:
        """Leave out the trials whose finished stages cannot be read."""
        broken = []
        for trial in self.results.missing(self.chosen):
            try:
                for stage in trial.stages:
                    read_marker(stage)
            except ValueError as error:
                print(f'{trial.row}, seed {trial.seed}: FAILED, {error}', flush=True)
                broken.append(trial)
        self.chosen = [trial for trial in self.chosen if trial not in broken]
        return len(broken)

    def _collect(self) -> None:
        """Write the lines of trials whose stages have all finished."""
        for trial in self.results.missing(self.chosen):
            markers = [read_marker(stage) for stage in trial.stages]
            if None not in markers:
                self.results.add(trial, self._line(trial, markers))

    def _line(self, trial: SweepTrial, markers: List[dict]) -> dict:
        """The measurements of a trial, and the commands that repeat it."""
        stages = {}
        for stage, marker in zip(trial.stages, markers):
            record = {key: value for key, value in marker.items() if key != 'versions'}
            stages[stage.name] = dict(
                record,
                config=stage.config,
                overrides=stage.overrides,
                command=self.launcher.train_command(stage),
            )
        return dict(stages=stages, versions=markers[-1]['versions'])

    def _start(self, key: str, slot: int):
        """Start a training, or resume it."""
        os.makedirs(key, exist_ok=True)
        step_back(self.stages[key])
        self.started[key] = time.monotonic()
        return self.launcher.train(self.stages[key], slot)

    def _finish(self, key: str, code: Optional[int]) -> bool:
        """Read the measurements of a training; returns whether there are any."""
        stage = self.stages[key]
        self.done += 1
        count = f'[{self.done}/{len(self.stages)}] {self.labels[key]}: '
        if code is None:
            print(f'{count}not started, because {stage.loads.name} has failed')
            return False
        try:
            if code:
                raise ValueError(f'exit status {code}, {key}/train.log ends with')
            record = dict(measure(stage), versions=_versions())
        except ValueError as error:
            print(f'{count}FAILED, {error}\n{last_lines(key, "train")}', flush=True)
            return False
        write_whole(stage.marker, json.dumps(record))
        self._collect()
        self.measured.append((stage.name, time.monotonic() - self.started[key]))
        print(f'{count}{self._progress(record)}', flush=True)
        return True

    def _progress(self, record: dict) -> str:
        """The result of a training, the time, and the best row so far."""
        metric = self.results.select['metric']
        value = record['metrics'].get(metric)
        text = f'{metric} ' + ('-' if value is None else f'{value:.1f}')
        waiting = [s.name for s in self.stages.values() if not osp.isfile(s.marker)]
        left = remaining_seconds(waiting, self.measured, self.jobs)
        text += f' | {duration(time.monotonic() - self.start)} elapsed, '
        text += f'{duration(left)} left'
        return text + standing(self.results, self.baseline)


def _versions() -> dict:
    """The software and the device that a result may depend on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'
    modules = (torch, mmengine, mmpretrain, ccsam_mm)
    return dict({m.__name__: str(m.__version__) for m in modules}, device=device)
