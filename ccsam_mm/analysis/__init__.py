# Copyright (c) ccsam_mm contributors. All rights reserved.
from .comparison import format_table, load_metrics, plot_class_accuracy

__all__ = ['format_table', 'load_metrics', 'plot_class_accuracy']
