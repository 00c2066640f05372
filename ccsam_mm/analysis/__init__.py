# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tables and pictures of data and results, for the tools."""

from .class_distribution import (
    class_distribution,
    format_distribution,
    plot_distribution,
    save_distribution,
)
from .comparison import format_table, load_metrics, plot_class_accuracy
from .image_sheet import draw_image_sheet

__all__ = [
    'class_distribution',
    'draw_image_sheet',
    'format_distribution',
    'format_table',
    'load_metrics',
    'plot_class_accuracy',
    'plot_distribution',
    'save_distribution',
]
