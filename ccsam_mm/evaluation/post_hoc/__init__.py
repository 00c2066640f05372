# Copyright (c) ccsam_mm contributors. All rights reserved.
from .candidates import Candidate, Layer, Method, Outputs
from .logit_adjustment import logit_adjustment, logit_shift, prior_correction
from .measures import choose, measure
from .methods import METHODS, post_hoc_methods
from .nearest_mean import nearest_mean
from .tau_norm import tau_norm, tau_norm_weight
from .temperature import fit_temperature, temperature_scaling

__all__ = [
    'METHODS',
    'Candidate',
    'Layer',
    'Method',
    'Outputs',
    'choose',
    'fit_temperature',
    'logit_adjustment',
    'logit_shift',
    'measure',
    'nearest_mean',
    'post_hoc_methods',
    'prior_correction',
    'tau_norm',
    'tau_norm_weight',
    'temperature_scaling',
]
