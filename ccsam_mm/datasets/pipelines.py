# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Pipelines in the configs of data sets, also of wrapped ones."""

import copy
from collections.abc import Iterator
from typing import Optional

from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmpretrain.registry import DATASETS, TRANSFORMS

from ccsam_mm.utils.config_types import class_of


def parts_with_pipeline(dataset: dict) -> Iterator[dict]:
    """Find the configs that have a pipeline, the known classes of an open set first.

    Args:
        dataset (dict): The config of a data set, which may wrap others.

    Yields:
        dict: The config itself, or one that it wraps.

    Examples:
        >>> from ccsam_mm.datasets.pipelines import parts_with_pipeline
        >>> inner = dict(type='DigitsLT', pipeline=[dict(type='PackInputs')])
        >>> wrapped = dict(type='LongTailed', dataset=inner)
        >>> [part['type'] for part in parts_with_pipeline(wrapped)]
        ['DigitsLT']
    """
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from parts_with_pipeline(part)
    if isinstance(dataset, dict):
        if dataset.get('pipeline') is not None:
            yield dataset
        for key in ('known', 'dataset', 'datasets', 'unknown'):
            yield from parts_with_pipeline(dataset.get(key))


def find_pipeline(dataset: dict) -> Optional[list]:
    """Find the pipeline of a data set or of the first one that it wraps.

    Args:
        dataset (dict): The config of the data set.

    Returns:
        list | None: Configs of transforms, or None if there is no pipeline.

    Examples:
        >>> from ccsam_mm.datasets.pipelines import find_pipeline
        >>> inner = dict(type='DigitsLT', pipeline=[dict(type='PackInputs')])
        >>> find_pipeline(dict(type='LongTailed', dataset=inner))
        [{'type': 'PackInputs'}]
    """
    return next((part['pipeline'] for part in parts_with_pipeline(dataset)), None)


def as_test_set(dataset: dict, pipeline: list) -> dict:
    """Configure a training set to return each image once, without augmentation.

    Where both pipelines begin with loading a file, the transform of the training stays,
    because it may skip unreadable images.

    Args:
        dataset (dict): The config of the training data set, which is not changed.
        pipeline (list): Configs of the transforms of a test.

    Returns:
        dict: The config with the other pipeline, and without wrappers that repeat
        images.

    Examples:
        >>> from ccsam_mm.datasets.pipelines import as_test_set
        >>> inner = dict(type='DigitsLT', pipeline=[dict(type='RandomFlip', prob=0.5)])
        >>> repeated = dict(type='RepeatDataset', times=3, dataset=inner)
        >>> as_test_set(repeated, [dict(type='PackInputs')])
        {'type': 'DigitsLT', 'pipeline': [{'type': 'PackInputs'}]}
    """
    while class_of(dataset, DATASETS) in (RepeatDataset, ClassBalancedDataset):
        dataset = dataset['dataset']
    dataset = copy.deepcopy(dataset)
    for part in list(parts_with_pipeline(dataset)):
        keeps = _loads_file(part['pipeline']) and _loads_file(pipeline)
        first = part['pipeline'] if keeps else pipeline
        part['pipeline'] = [*first[:1], *pipeline[1:]]
    return dataset


def _loads_file(pipeline: list) -> bool:
    """Whether a pipeline begins with MMCV's loading of an image file."""
    first = class_of(pipeline[0], TRANSFORMS) if pipeline else None
    return first is not None and issubclass(first, LoadImageFromFile)
