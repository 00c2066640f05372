# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The mathematics of CC-SAM and SAM: pure functions of tensors, without a registry."""

from .characteristic_radius import (
    characteristic_radius,
    direction_factor,
    perturbation_norm,
)
from .class_norms import class_norms
from .class_routing import ClassRouting
from .hutchinson_trace import hutchinson_trace
from .linear_class_gradients import LinearClassGradients
from .parameter_directions import filter_normalized_direction, gaussian_direction
from .projected_ascent import projected_ascent
from .random_direction import random_linear_products
from .routed_forward import routed_forward
from .sam_perturbation import sam_perturbation

__all__ = [
    'ClassRouting',
    'LinearClassGradients',
    'characteristic_radius',
    'class_norms',
    'direction_factor',
    'filter_normalized_direction',
    'gaussian_direction',
    'hutchinson_trace',
    'perturbation_norm',
    'projected_ascent',
    'random_linear_products',
    'routed_forward',
    'sam_perturbation',
]
