# Copyright (c) ccsam_mm contributors. All rights reserved.
from .metrics import OpenSetMetric, ShotAccuracy
from .shot_groups import shot_groups

__all__ = ['OpenSetMetric', 'ShotAccuracy', 'shot_groups']
