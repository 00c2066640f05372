# Copyright (c) ccsam_mm contributors. All rights reserved.
from .amp_ccsam_optim_wrapper import AmpCCSAMOptimWrapper
from .ccsam_optim_wrapper import CCSAMOptimWrapper

__all__ = ['AmpCCSAMOptimWrapper', 'CCSAMOptimWrapper']
