# Copyright (c) ccsam_mm contributors. All rights reserved.
from .curve import open_set_curve
from .curve_areas import auroc, fpr_at_tpr, oscr
from .f_measure import open_set_f_measures
from .plot import plot_open_set
from .report import write_open_set_report
from .score_key import open_set_score_key
from .threshold_file import read_threshold

__all__ = [
    'auroc',
    'fpr_at_tpr',
    'open_set_curve',
    'open_set_f_measures',
    'open_set_score_key',
    'oscr',
    'plot_open_set',
    'read_threshold',
    'write_open_set_report',
]
