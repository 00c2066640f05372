# Copyright (c) ccsam_mm contributors. All rights reserved.
from .metrics import OpenSetMetric, ShotAccuracy, ThresholdChooser
from .shot_groups import shot_groups

__all__ = ['OpenSetMetric', 'ShotAccuracy', 'ThresholdChooser', 'shot_groups']
