# Copyright (c) ccsam_mm contributors. All rights reserved.
from .shot_accuracy import ShotAccuracy

__all__ = ['ShotAccuracy']
