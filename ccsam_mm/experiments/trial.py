# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Trials: one row of a sweep (a run at one point of its grid) with one seed."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from .stage import SweepStage, option_text


@dataclass(frozen=True)
class SweepTrial:
    """One row of a sweep with one seed.

    Args:
        run (str): The name of the run.
        point (dict): The values of the run's grid.
        seed (int): The seed.
        stages (tuple[SweepStage]): The trainings, in order.

    Examples:
        >>> from ccsam_mm.experiments import SweepTrial
        >>> SweepTrial('ccsam', {'stage1.optim_wrapper.rho_scale': 0.1}, 0, ()).row
        'ccsam,rho_scale=0.1'
    """

    run: str
    point: dict
    seed: int
    stages: tuple

    @property
    def row(self) -> str:
        """str: The name of the run and of its point."""
        names = axis_names(self.point)
        values = [f'{names[k]}={_plain(v)}' for k, v in self.point.items()]
        return ','.join([self.run, *values])

    @property
    def id(self) -> str:
        """str: A digest of the values of all configs."""
        return '-'.join(stage.fingerprint for stage in self.stages)

    def stage(self, name: str) -> Optional[SweepStage]:
        """The stage of this name, or None.

        Args:
            name (str): The name of the stage.

        Returns:
            SweepStage, optional: The stage.
        """
        return next((s for s in self.stages if s.name == name), None)


def axis_names(point: dict) -> Dict[str, str]:
    """Name grid keys by their last parts, where these differ.

    Args:
        point (dict): A point of the grid, or the grid itself.

    Returns:
        dict[str, str]: The short name of each key.

    Examples:
        >>> from ccsam_mm.experiments.trial import axis_names
        >>> axis_names({'stage1.model.depth': [8, 20]})
        {'stage1.model.depth': 'depth'}
    """
    short = [key.split('.')[-1].lstrip('+') for key in point]
    return {k: k if short.count(s) > 1 else s for k, s in zip(point, short)}


def choose_trials(
    trials: List[SweepTrial],
    sweep: dict,
    only: Optional[Sequence[str]] = None,
    seeds: Optional[Sequence[int]] = None,
) -> List[SweepTrial]:
    """Choose the trials of ``--only`` and ``--seeds``.

    Args:
        trials (list[SweepTrial]): The trials of the sweep.
        sweep (dict): The sweep.
        only (Sequence[str], optional): Names of runs or rows. Defaults to None, for
            all.
        seeds (Sequence[int], optional): Seeds. Defaults to None, for all.

    Returns:
        list[SweepTrial]: The chosen ones, every row once before any row twice.
    """
    names = {name for trial in trials for name in (trial.run, trial.row)}
    for name in only or ():
        if name not in names:
            raise ValueError(f"--only '{name}' is none of {' '.join(sorted(names))}.")
    for seed in seeds or ():
        if seed not in sweep['seeds']:
            raise ValueError(f'--seeds {seed} is not in `seeds` of {sweep["path"]}.')
    chosen = [
        trial
        for trial in trials
        if (not only or trial.run in only or trial.row in only)
        and (not seeds or trial.seed in seeds)
    ]
    return sorted(chosen, key=lambda trial: sweep['seeds'].index(trial.seed))


def _plain(value) -> str:
    return option_text(value).replace(' ', '')
