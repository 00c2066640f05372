# Copyright (c) ccsam_mm contributors. All rights reserved.
import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ccsam_mm.utils.files import write_whole

from .logs import problem_of_record
from .tables import best_row
from .trial import SweepTrial


class SweepResults:
    """The JSON lines of a sweep, one per row and seed.

    The file is always whole: every change writes a new one in its place. A damaged
    line whose row and seed are readable counts as missing.

    Args:
        path (str): The file; an absent one has no lines yet.
        trials (list[SweepTrial]): The trials of the sweep.
        select (dict): ``metric``, ``stage`` and ``rule`` of the sweep.

    Examples:
        >>> from ccsam_mm.experiments import SweepResults, SweepTrial
        >>> trial = SweepTrial('ce', {}, 0, ())
        >>> results = SweepResults('nowhere.jsonl', [trial], dict())
        >>> [trial.row for trial in results.missing()]
        ['ce']
    """

    def __init__(self, path: str, trials: List[SweepTrial], select: dict):
        self.path, self.trials, self.select = path, trials, select
        self._lines, self._damaged = _read_lines(path)

    @property
    def rows(self) -> List[str]:
        """list[str]: The names of the rows, in the order of the sweep."""
        return list(dict.fromkeys(trial.row for trial in self.trials))

    @property
    def lines(self) -> List[dict]:
        """list[dict]: The lines that belong to the sweep, in its order."""
        return [line for line in map(self.line, self.trials) if line]

    def line(self, trial: SweepTrial) -> Optional[dict]:
        """The line of a trial.

        Args:
            trial (SweepTrial): The trial.

        Returns:
            dict, optional: The line, or None.
        """
        return self._lines.get((trial.row, trial.seed))

    def missing(self, trials: Optional[List[SweepTrial]] = None) -> List[SweepTrial]:
        """The trials without a line of the current config values.

        Args:
            trials (list[SweepTrial], optional): The trials to check, or all.
                Defaults to None.

        Returns:
            list[SweepTrial]: Those to train.
        """
        trials = self.trials if trials is None else trials
        return [t for t in trials if (self.line(t) or {}).get('id') != t.id]

    @property
    def problems(self) -> List[str]:
        """list[str]: A sentence for each damaged line."""
        return [sentence for sentence, _ in self._damaged.values()]

    def add(self, trial: SweepTrial, line: dict) -> None:
        """Add or replace the line of a trial.

        Args:
            trial (SweepTrial): The trial.
            line (dict): Its measurements.
        """
        head = dict(row=trial.row, run=trial.run, point=trial.point, seed=trial.seed)
        self._lines[trial.row, trial.seed] = dict(head, id=trial.id, **line)
        self._damaged.pop((trial.row, trial.seed), None)
        self._write()

    def outdate(self, trials: List[SweepTrial]) -> None:
        """Mark results as missing; their old lines stay until new ones replace them.

        Args:
            trials (list[SweepTrial]): The trials.
        """
        for line in filter(None, map(self.line, trials)):
            line['id'] = None
        self._write()

    def is_tested(self, trial: SweepTrial) -> bool:
        """Whether the stage that rows are compared by has been tested.

        Args:
            trial (SweepTrial): The trial.

        Returns:
            bool: Whether its line has a test of this stage. One without a
            ``test_stage`` counts as such.
        """
        line, stage = self.line(trial) or {}, self.select['stage']
        return 'test' in line and line.get('test_stage', stage) == stage

    def add_test(self, trials: List[SweepTrial], metrics: dict) -> None:
        """Add the test of a network to the lines of its trials.

        Args:
            trials (list[SweepTrial]): The trials.
            metrics (dict): The measured metrics.
        """
        for trial in trials:
            self.line(trial).update(test=metrics, test_stage=self.select['stage'])
        self._write()

    def winners(self) -> List[str]:
        """Choose the best row of each run, on the validation part.

        Returns:
            list[str]: One row for each run that has results.
        """
        runs = {}
        for trial in self.trials:
            runs.setdefault(trial.run, {})[trial.row] = None
        best = (best_row(self.lines, list(rows), self.select) for rows in runs.values())
        return [row for row in best if row]

    def _write(self) -> None:
        """Write in the order of the sweep; lines of removed trials come last."""
        lines = self.lines
        lines += [line for line in self._lines.values() if line not in lines]
        texts = [json.dumps(line) for line in lines]
        texts += [text for _, text in self._damaged.values()]
        write_whole(self.path, ''.join(f'{text}\n' for text in texts))


def _read_lines(path: str) -> Tuple[Dict[tuple, dict], Dict[tuple, tuple]]:
    """Read lines by their cell; of a damaged one, a sentence and the text."""
    path = Path(path)
    there = path.is_file()
    whole = path.read_text(encoding='utf-8', errors='replace') if there else ''
    lines, damaged = {}, {}
    for number, text in enumerate(whole.split('\n'), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            cause = _problem(line)
        except (ValueError, RecursionError):
            line, cause = None, 'is not JSON'
        if cause is None:
            lines[line['row'], line['seed']] = line
            continue
        cell = _cell(line, text)
        if cell is None:
            raise ValueError(f'line {number} of {path} {cause}: correct or delete it.')
        sentence = (
            f'line {number} of {path} {cause}: the result of {cell[0]}, seed '
            f'{cell[1]}, counts as missing; correct the line to keep it.'
        )
        damaged[cell] = sentence, text
    return lines, {cell: found for cell, found in damaged.items() if cell not in lines}


def _problem(line: Any) -> Optional[str]:
    """The problem of a line, as part of a sentence."""
    if not isinstance(line, dict):
        return 'is not an object'
    if not isinstance(line.get('row'), str) or type(line.get('seed')) is not int:
        return 'has no `row` and `seed`'
    if not isinstance(line.get('stages'), dict):
        return 'has no `stages`'
    if not isinstance(line.get('test', {}), dict):
        return 'has a `test` that is not an object'
    for name, record in line['stages'].items():
        cause = problem_of_record(record)
        if cause:
            return f'has a damaged `{name}` ({cause})'
    return None


def _cell(line: Any, text: str) -> Optional[Tuple[str, int]]:
    """Row and seed of a damaged line, if they are readable."""
    if isinstance(line, dict):
        text = json.dumps(line)
    row = re.search(r'"row": ("(?:[^"\\]|\\.)*")', text)
    seed = re.search(r'"seed": (-?\d+)[,}]', text)
    return (json.loads(row[1]), int(seed[1])) if row and seed else None
