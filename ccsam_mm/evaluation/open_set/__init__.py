# Copyright (c) ccsam_mm contributors. All rights reserved.
from .class_statistics import ClassStatistics, collect_class_statistics
from .curve import open_set_curve
from .curve_areas import auroc, fpr_at_tpr, oscr
from .f_measure import open_set_f_measures
from .feature_recorder import FeatureRecorder
from .open_max import OpenMax
from .plot import plot_open_set
from .report import write_open_set_report
from .score_function import (
    needs_distances,
    needs_prototypes,
    parse_score,
    score_function,
    score_writer,
)
from .score_key import open_set_score_key
from .scores import energy, hybrid, max_logit, msp, proto_cosine, proto_euclidean
from .threshold_choice import choose_threshold
from .threshold_file import read_threshold

__all__ = [
    'ClassStatistics',
    'FeatureRecorder',
    'OpenMax',
    'auroc',
    'choose_threshold',
    'collect_class_statistics',
    'energy',
    'fpr_at_tpr',
    'hybrid',
    'max_logit',
    'msp',
    'needs_distances',
    'needs_prototypes',
    'open_set_curve',
    'open_set_f_measures',
    'open_set_score_key',
    'oscr',
    'parse_score',
    'plot_open_set',
    'proto_cosine',
    'proto_euclidean',
    'read_threshold',
    'score_function',
    'score_writer',
    'write_open_set_report',
]
