# Copyright (c) ccsam_mm contributors. All rights reserved.
from .class_distribution import (
    class_distribution,
    format_distribution,
    plot_distribution,
    save_distribution,
)
from .comparison import format_table, load_metrics, plot_class_accuracy
from .image_sheet import draw_image_sheet
from .open_set_table import open_set_table
from .sweep_plan import SweepTrial, check_sweep, expand_sweep, load_sweep
from .sweep_plots import plot_sweep
from .sweep_report import best_row, sweep_table
from .sweep_results import SweepResults
from .sweep_schedule import remaining_seconds, run_tasks
from .sweep_stage import SweepStage

__all__ = [
    'SweepResults',
    'SweepStage',
    'SweepTrial',
    'best_row',
    'check_sweep',
    'class_distribution',
    'draw_image_sheet',
    'expand_sweep',
    'format_distribution',
    'format_table',
    'load_metrics',
    'load_sweep',
    'open_set_table',
    'plot_class_accuracy',
    'plot_distribution',
    'plot_sweep',
    'remaining_seconds',
    'run_tasks',
    'save_distribution',
    'sweep_table',
]
