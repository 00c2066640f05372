# Copyright (c) ccsam_mm contributors. All rights reserved.
from .open_set_metric import OpenSetMetric
from .shot_accuracy import ShotAccuracy

__all__ = ['OpenSetMetric', 'ShotAccuracy']
