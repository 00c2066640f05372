# Copyright (c) ccsam_mm contributors. All rights reserved.
from .metrics import ShotAccuracy

__all__ = ['ShotAccuracy']
