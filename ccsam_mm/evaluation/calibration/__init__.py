# Copyright (c) ccsam_mm contributors. All rights reserved.
from .bins import calibration_errors, reliability_bins
from .plot import plot_reliability

__all__ = ['calibration_errors', 'plot_reliability', 'reliability_bins']
