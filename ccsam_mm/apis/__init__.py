# Copyright (c) ccsam_mm contributors. All rights reserved.
from .open_set_inferencer import OpenSetInferencer

__all__ = ['OpenSetInferencer']
