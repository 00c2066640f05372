# Copyright (c) ccsam_mm contributors. All rights reserved.
from .metrics import CalibrationMetric, OpenSetMetric, ShotAccuracy, ThresholdChooser
from .shot_groups import shot_groups

__all__ = [
    'CalibrationMetric',
    'OpenSetMetric',
    'ShotAccuracy',
    'ThresholdChooser',
    'shot_groups',
]
