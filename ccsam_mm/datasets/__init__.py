# Copyright (c) ccsam_mm contributors. All rights reserved.
from .cifar10_lt import CIFAR10LT
from .cifar100_lt import CIFAR100LT
from .class_counts import count_classes, get_gt_labels, training_class_counts
from .class_subset import ClassSubset
from .digits_lt import DigitsLT
from .imagenet_lt import ImageNetLT
from .imbalance import long_tailed_counts, select_long_tailed
from .inaturalist2018 import INaturalist2018
from .long_tailed import LongTailed
from .open_set import OpenSet
from .places_lt import PlacesLT
from .samplers import ClassBalancedSampler, ClassWeightedSampler
from .transforms import LoadImageOrSkip

__all__ = [
    'CIFAR100LT',
    'CIFAR10LT',
    'ClassBalancedSampler',
    'ClassSubset',
    'ClassWeightedSampler',
    'DigitsLT',
    'INaturalist2018',
    'ImageNetLT',
    'LoadImageOrSkip',
    'LongTailed',
    'OpenSet',
    'PlacesLT',
    'count_classes',
    'get_gt_labels',
    'long_tailed_counts',
    'select_long_tailed',
    'training_class_counts',
]
