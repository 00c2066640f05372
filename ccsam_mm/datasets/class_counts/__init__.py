# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Class counts: the number of training images of each class."""

from .counting import count_classes, count_labels, known_class_counts
from .evaluation import evaluated_class_counts, recorded_training_counts
from .labels import get_gt_labels
from .names import class_names, describe_class
from .training import training_class_counts
from .training_counts_mixin import TrainingCountsMixin

__all__ = [
    'TrainingCountsMixin',
    'class_names',
    'count_classes',
    'count_labels',
    'describe_class',
    'evaluated_class_counts',
    'get_gt_labels',
    'known_class_counts',
    'recorded_training_counts',
    'training_class_counts',
]
