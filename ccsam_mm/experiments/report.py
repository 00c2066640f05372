# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The report of a sweep: a page of tables and pictures beside the JSON lines."""

import os.path as osp
import shlex
from typing import List

from ccsam_mm.utils.files import write_whole

from .pair_table import pair_table
from .plots import plot_sweep
from .results import SweepResults
from .tables import sweep_table, values_of
from .trial import SweepTrial


def write_report(sweep: dict, trials: List[SweepTrial]) -> None:
    """Print the tables, and write them and the pictures beside the JSON lines.

    Args:
        sweep (dict): The return value of :func:`~ccsam_mm.experiments.load_sweep`.
        trials (list[SweepTrial]): All trials of the sweep.
    """
    results = SweepResults(sweep['results'], trials, sweep['select'])
    if not results.lines:
        print(f'{sweep["results"]} has no results yet.')
        return
    stem = osp.splitext(sweep['results'])[0]
    tables = _validation_tables(sweep, results) + _test_table(sweep, results)
    text = '\n\n'.join([*_head(sweep, results), *tables])
    write_whole(f'{stem}.md', text + '\n')
    pictures = plot_sweep(
        results.lines, trials, sweep['select'], stem, sweep['baseline']
    )
    print('\n' + '\n\n'.join(tables))
    print(f'\nWritten: {stem}.md {" ".join(pictures)}')


def report_warnings(sweep: dict, trials: List[SweepTrial]) -> List[str]:
    """Warn where rows would be chosen by test images.

    Args:
        sweep (dict): The return value of :func:`~ccsam_mm.experiments.load_sweep`.
        trials (list[SweepTrial]): All trials of the sweep.

    Returns:
        list[str]: A sentence, or nothing.
    """
    stages = [trial.stage(sweep['select']['stage']) for trial in trials]
    if not any(stage.validates_on_test for stage in stages):
        return []
    return [
        'The validation images are those of the test here: choose no settings by this '
        'table, or override val_dataloader.'
    ]


def _validation_tables(sweep: dict, results: SweepResults) -> List[str]:
    """A table per stage; the one that rows are compared by comes first."""
    select, trials = sweep['select'], results.trials
    stages = [stage.name for trial in trials for stage in trial.stages]
    tables = []
    for stage in dict.fromkeys([select['stage'], *stages]):
        rows = list(dict.fromkeys(t.row for t in trials if t.stage(stage)))
        table = sweep_table(results.lines, rows, stage, select, sweep['baseline'])
        tables.append(f'## Validation after {stage}\n\n{table}')
        if stage == select['stage']:
            pairs = pair_table(results.lines, rows, stage, select)
            tables += _pairs('Validation', select, pairs)
    return tables


def _pairs(what: str, select: dict, table: str) -> List[str]:
    """A table of first and second stages, if rows are pairs of them."""
    return [f'## {what}: {select["metric"]} of both stages\n\n{table}'] if table else []


def _test_table(sweep: dict, results: SweepResults) -> List[str]:
    """The table of the tested rows, if there are any."""
    select, baseline = sweep['select'], sweep['baseline']
    tested = [results.line(t) for t in results.trials if results.is_tested(t)]
    rows = [
        row
        for row in results.winners()
        if values_of(tested, row, 'test', select['metric'])
    ]
    if not rows:
        return []
    baseline = baseline if baseline in rows else None
    table = sweep_table(tested, rows, 'test', select, baseline)
    pairs = pair_table(tested, rows, 'test', select)
    return [
        f'## Test of the rows that validation chose\n\n{table}',
        *_pairs('Test', select, pairs),
    ]


def _head(sweep: dict, results: SweepResults) -> List[str]:
    """The text above the tables, with the command that makes them again."""
    tool = f'python tools/benchmarks/sweep.py {shlex.quote(sweep["path"])}'
    text = [
        f'# {osp.splitext(osp.basename(sweep["path"]))[0]}',
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
            f'Incomplete: of {len(results.trials)} results, {len(missing) - old} are '
            f"missing, and {old} are of other config values than today's."
        )
    return text + report_warnings(sweep, results.trials)
