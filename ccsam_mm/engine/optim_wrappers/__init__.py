# Copyright (c) ccsam_mm contributors. All rights reserved.
from .ccsam_optim_wrapper import AmpCCSAMOptimWrapper, CCSAMOptimWrapper
from .focal_sam_optim_wrapper import AmpFocalSAMOptimWrapper, FocalSAMOptimWrapper
from .imbsam_optim_wrapper import AmpImbSAMOptimWrapper, ImbSAMOptimWrapper
from .random_perturbation_optim_wrapper import (
    AmpRandomPerturbationOptimWrapper,
    RandomPerturbationOptimWrapper,
)
from .sam_optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper

__all__ = [
    'AmpCCSAMOptimWrapper',
    'AmpFocalSAMOptimWrapper',
    'AmpImbSAMOptimWrapper',
    'AmpRandomPerturbationOptimWrapper',
    'AmpSAMOptimWrapper',
    'CCSAMOptimWrapper',
    'FocalSAMOptimWrapper',
    'ImbSAMOptimWrapper',
    'RandomPerturbationOptimWrapper',
    'SAMOptimWrapper',
]
