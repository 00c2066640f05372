# Copyright (c) ccsam_mm contributors. All rights reserved.
"""From a sweep to its trials: runs times points of their grids times seeds."""

import itertools
from functools import lru_cache
from typing import Callable, List

from mmengine.config import Config

from .stage_building import build_stages
from .sweep_file import check_unique
from .trial import SweepTrial


def expand_sweep(
    sweep: dict, load_config: Callable[[str], Config] = Config.fromfile
) -> List[SweepTrial]:
    """Expand a sweep to rows times seeds, and check every override on the way.

    Args:
        sweep (dict): The result of :func:`load_sweep`.
        load_config (Callable): Reads a config file. Defaults to ``Config.fromfile``.

    Returns:
        list[SweepTrial]: The trials, in the order of the rows, then of the seeds.

    Examples:
        >>> from mmengine.config import Config
        >>> from ccsam_mm.experiments import check_sweep, expand_sweep
        >>> stages = [dict(name='stage1', config=__file__)]
        >>> run = dict(name='sgd', stages=stages, grid={'stage1.lr': [0.1, 0.2]})
        >>> sweep = check_sweep(dict(work_dir='w', seeds=[0, 1], runs=[run]))
        >>> config = Config(dict(lr=1, val_dataloader={}))
        >>> trials = expand_sweep(sweep, lambda path: config)
        >>> [(trial.row, trial.seed) for trial in trials]
        [('sgd,lr=0.1', 0), ('sgd,lr=0.1', 1), ('sgd,lr=0.2', 0), ('sgd,lr=0.2', 1)]
    """
    read = lru_cache(maxsize=None)(load_config)
    trials = []
    for run in sweep['runs']:
        grid = run.get('grid') or {}
        _check_grid(run, grid)
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values))
            for seed in sweep['seeds']:
                stages = build_stages(sweep, run, point, seed, read)
                trials.append(SweepTrial(run['name'], point, seed, stages))
    rows = list(dict.fromkeys(trial.row for trial in trials))
    if sweep['baseline'] not in (None, *rows):
        raise ValueError(
            f"baseline '{sweep['baseline']}' is not a row: there are {' '.join(rows)}."
        )
    _check_select(sweep, trials)
    return trials


def _check_grid(run: dict, grid: dict) -> None:
    stages = [stage['name'] for stage in run['stages']]
    for key, values in grid.items():
        if key.split('.')[0] not in stages:
            raise ValueError(
                f"grid key '{key}' of run '{run['name']}' must begin with one of its "
                f'stages: {", ".join(f"{stage}." for stage in stages)}.'
            )
        if not isinstance(values, (list, tuple)) or not values:
            raise ValueError(
                f"grid key '{key}' of run '{run['name']}' needs a list of values."
            )
        check_unique(list(values), f"value of '{key}' of run '{run['name']}'")


def _check_select(sweep: dict, trials: List[SweepTrial]) -> None:
    name = sweep['select']['stage']
    for trial in trials:
        if trial.stage(name) is None:
            raise ValueError(
                f"run '{trial.run}' has no stage '{name}', by which rows are compared: "
                'set select.stage to one that every run has.'
            )
