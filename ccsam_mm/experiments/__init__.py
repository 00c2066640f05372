# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Sweeps: trainings planned, run, collected and reported."""

from .expansion import expand_sweep
from .pair_table import pair_table
from .plots import plot_sweep
from .results import SweepResults
from .schedule import remaining_seconds, run_tasks
from .stage import SweepStage
from .sweep_file import check_sweep, load_sweep
from .tables import best_row, sweep_table
from .trial import SweepTrial

__all__ = [
    'SweepResults',
    'SweepStage',
    'SweepTrial',
    'best_row',
    'check_sweep',
    'expand_sweep',
    'load_sweep',
    'pair_table',
    'plot_sweep',
    'remaining_seconds',
    'run_tasks',
    'sweep_table',
]
