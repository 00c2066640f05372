# Copyright (c) ccsam_mm contributors. All rights reserved.
from .check_finite_hook import CheckFiniteHook
from .check_loaded_hook import CheckLoadedHook
from .class_counts_hook import ClassCountsHook
from .class_weight_hook import ClassWeightHook
from .epoch_seed_hook import EpochSeedHook, epoch_worker_init_fn
from .load_stage1_hook import LoadStage1Hook
from .max_norm_hook import MaxNormHook
from .open_set_hook import OpenSetHook
from .perturbation_log_hook import PerturbationLogHook
from .spectral_norm_hook import SpectralNormHook
from .swa_hook import SWAHook

__all__ = [
    'CheckFiniteHook',
    'CheckLoadedHook',
    'ClassCountsHook',
    'ClassWeightHook',
    'EpochSeedHook',
    'LoadStage1Hook',
    'MaxNormHook',
    'OpenSetHook',
    'PerturbationLogHook',
    'SWAHook',
    'SpectralNormHook',
    'epoch_worker_init_fn',
]
