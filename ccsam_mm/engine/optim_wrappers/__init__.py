# Copyright (c) ccsam_mm contributors. All rights reserved.
from .amp_ccsam_optim_wrapper import AmpCCSAMOptimWrapper
from .amp_focal_sam_optim_wrapper import AmpFocalSAMOptimWrapper
from .amp_imbsam_optim_wrapper import AmpImbSAMOptimWrapper
from .amp_sam_optim_wrapper import AmpSAMOptimWrapper
from .ccsam_optim_wrapper import CCSAMOptimWrapper
from .focal_sam_optim_wrapper import FocalSAMOptimWrapper
from .imbsam_optim_wrapper import ImbSAMOptimWrapper
from .sam_optim_wrapper import SAMOptimWrapper

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
