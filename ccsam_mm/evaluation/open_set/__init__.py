# Copyright (c) ccsam_mm contributors. All rights reserved.
from .curve import open_set_curve
from .curve_areas import auroc, fpr_at_tpr, oscr
from .f_measure import open_set_f_measures

__all__ = ['auroc', 'fpr_at_tpr', 'open_set_curve', 'open_set_f_measures', 'oscr']
