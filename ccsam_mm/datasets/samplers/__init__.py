# Copyright (c) ccsam_mm contributors. All rights reserved.
from .class_balanced_sampler import ClassBalancedSampler
from .class_weighted_sampler import ClassWeightedSampler

__all__ = ['ClassBalancedSampler', 'ClassWeightedSampler']
