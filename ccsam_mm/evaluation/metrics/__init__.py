# Copyright (c) ccsam_mm contributors. All rights reserved.
from .calibration_metric import CalibrationMetric
from .open_set_metric import OpenSetMetric
from .shot_accuracy import ShotAccuracy
from .threshold_chooser import ThresholdChooser

__all__ = ['CalibrationMetric', 'OpenSetMetric', 'ShotAccuracy', 'ThresholdChooser']
