# Copyright (c) ccsam_mm contributors. All rights reserved.
from .choice import Result, evaluate_methods
from .data_sets import RecordedSets, record_sets
from .picture import plot_results
from .prior_file import read_prior
from .report import post_hoc_table, report_content
from .saving import check_save, save_path, save_result

__all__ = [
    'RecordedSets',
    'Result',
    'check_save',
    'evaluate_methods',
    'plot_results',
    'post_hoc_table',
    'read_prior',
    'record_sets',
    'report_content',
    'save_path',
    'save_result',
]
