# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Loss landscapes and sharpness of trained models, for the tools."""

from .checkpoint_losses import load_losses
from .curve import RATIOS, loss_curve
from .curve_picture import curve_csv, curve_rows, plot_curves
from .eigenvalues import largest_eigenvalues
from .evaluated_data import SUBSETS, EvaluatedData
from .image_losses import Batch, ImageLosses
from .loss_groups import loss_groups
from .radius_options import radius_options
from .record_images import record_images
from .sharpness_measures import SharpnessOptions, measure_sharpness
from .sharpness_picture import plot_sharpness, sharpness_rows
from .surface import loss_surface, surface_axis
from .surface_picture import plot_surfaces, surface_groups
from .weighted_loss import WeightedLoss

__all__ = [
    'RATIOS',
    'SUBSETS',
    'Batch',
    'EvaluatedData',
    'ImageLosses',
    'SharpnessOptions',
    'WeightedLoss',
    'curve_csv',
    'curve_rows',
    'largest_eigenvalues',
    'load_losses',
    'loss_curve',
    'loss_groups',
    'loss_surface',
    'measure_sharpness',
    'plot_curves',
    'plot_sharpness',
    'plot_surfaces',
    'radius_options',
    'record_images',
    'sharpness_rows',
    'surface_axis',
    'surface_groups',
]
