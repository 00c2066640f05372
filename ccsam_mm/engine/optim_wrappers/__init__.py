# Copyright (c) ccsam_mm contributors. All rights reserved.
from .ccsam_optim_wrapper import AmpCCSAMOptimWrapper, CCSAMOptimWrapper
from .focal_sam_optim_wrapper import AmpFocalSAMOptimWrapper, FocalSAMOptimWrapper
from .imbsam_optim_wrapper import AmpImbSAMOptimWrapper, ImbSAMOptimWrapper
from .sam_optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper

__all__ = [
    'AmpCCSAMOptimWrapper',
    'AmpFocalSAMOptimWrapper',
    'AmpImbSAMOptimWrapper',
    'AmpSAMOptimWrapper',
    'CCSAMOptimWrapper',
    'FocalSAMOptimWrapper',
    'ImbSAMOptimWrapper',
    'SAMOptimWrapper',
]
