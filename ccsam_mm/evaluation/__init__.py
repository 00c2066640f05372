# Copyright (c) ccsam_mm contributors. All rights reserved.
from .metrics import ShotAccuracy
from .shot_groups import shot_groups

__all__ = ['ShotAccuracy', 'shot_groups']
