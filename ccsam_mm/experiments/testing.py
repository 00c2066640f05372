# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tests the best row of each run of a sweep."""

import json
from pathlib import Path
from typing import Dict, List, Optional

from ccsam_mm.utils.checkpoints import last_checkpoint

from .launcher import Launcher
from .progress import last_lines
from .results import SweepResults
from .schedule import run_tasks
from .trial import SweepTrial

TESTED = 'test_metrics.json'


class SweepTester:
    """Tests the rows that validation chose, each network once.

    Args:
        results (SweepResults): The JSON lines, which get the tests.
        chosen (list[SweepTrial]): The trials to test, where their row is the best.
        launcher (Launcher): Starts the tests.
        jobs (int): The number of tests at a time. Defaults to 1.
    """

    def __init__(
        self,
        results: SweepResults,
        chosen: List[SweepTrial],
        launcher: Launcher,
        jobs: int = 1,
    ):
        self.results, self.chosen = results, chosen
        self.launcher, self.jobs = launcher, jobs
        self.trials: Dict[str, List[SweepTrial]] = {}  # by work directory

    def test(self) -> int:
        """Test the best row of each run, unless results are missing.

        Returns:
            int: The number of failed tests.
        """
        missing = self.results.missing()
        if missing:
            print(f'Not tested: {len(missing)} results to choose by are missing.')
            return 0
        winners = self.results.winners()
        for trial in self.chosen:
            if trial.row in winners and not self.results.is_tested(trial):
                work_dir = self._stage(trial).work_dir
                self.trials.setdefault(work_dir, []).append(trial)
        print(f'{len(self.trials)} tests to do, of {" ".join(winners)}', flush=True)
        needs = dict.fromkeys(self.trials)
        return len(run_tasks(needs, self._start, self._finish, self.jobs))

    def _stage(self, trial: SweepTrial):
        return trial.stage(self.results.select['stage'])

    def _start(self, key: str, slot: int):
        """Start a test of the last checkpoint."""
        checkpoint = last_checkpoint(key)
        if checkpoint is None:
            raise FileNotFoundError(
                f'{key} has no checkpoint to test: train it again with --rerun.'
            )
        stage = self._stage(self.trials[key][0])
        return self.launcher.test(stage, checkpoint, str(Path(key, TESTED)), slot)

    def _finish(self, key: str, code: Optional[int]) -> bool:
        """Read the metrics of a test; returns whether it succeeded."""
        if code:
            print(f'{key}: FAILED, exit status {code}\n{last_lines(key, "test")}')
            return False
        path = Path(key, TESTED)
        try:
            metrics = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            print(f'{key}: FAILED, {path} is unreadable ({error})')
            return False
        numbers = {k: v for k, v in metrics.items() if isinstance(v, (int, float))}
        self.results.add_test(self.trials[key], numbers)
        return True
