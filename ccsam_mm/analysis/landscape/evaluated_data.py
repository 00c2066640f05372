# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The images on which a loss is drawn: those of a config, without augmentation."""

from typing import List, NamedTuple, Optional

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader, Dataset, Subset

from ccsam_mm.datasets.class_counts import get_gt_labels, known_class_counts
from ccsam_mm.datasets.pipelines import as_test_set, find_pipeline

from ..class_distribution import class_distribution

SUBSETS = ('train', 'val', 'test')


class EvaluatedData(NamedTuple):
    """Images with their loader, and the class counts of the training.

    Attributes:
        loader (DataLoader): Batches for the data preprocessor, in order.
        num_images (int): The number of evaluated images.
        available (list[int]): Images of each class before some were left out, ``(K, )``.
        class_counts (list[int]): Training images of each class, ``(K, )``.
        classes (list[str]): Names of the classes.

    Examples:
        >>> from mmengine.config import Config
        >>> from ccsam_mm.analysis.landscape import EvaluatedData
        >>> data = dict(type='DigitsLT', split='train', pipeline=[dict(type='PackInputs')])
        >>> loader = dict(batch_size=8, num_workers=0, dataset=data)
        >>> cfg = Config(dict(train_dataloader=loader, test_dataloader=loader))
        >>> EvaluatedData.from_config(cfg, 'train', samples=3).num_images
        29
    """  # noqa: E501

    loader: DataLoader
    num_images: int
    available: List[int]
    class_counts: List[int]
    classes: List[str]

    @classmethod
    def from_config(
        cls, cfg: Config, subset: str = 'train', samples: Optional[int] = None
    ) -> 'EvaluatedData':
        """Build the data set of a split with the pipeline of the test.

        Args:
            cfg (Config): The config.
            subset (str): 'train', 'val' or 'test'. Defaults to 'train'.
            samples (int, optional): The most images of each class, drawn with a fixed
                seed. Defaults to None, all images.

        Returns:
            EvaluatedData: Images of unknown classes are left out.

        Raises:
            ValueError: If the config lacks the split or the pipeline.
        """
        loader = cfg.get(f'{subset}_dataloader')
        if loader is None:
            others = [s for s in SUBSETS if cfg.get(f'{s}_dataloader') is not None]
            raise ValueError(
                f'The config has no `{subset}_dataloader`: set --subset to '
                f'{" or ".join(others) or "a split that you add to it"}.'
            )
        dataset = _build_test_set(cfg, subset)
        splits = {subset: dataset}
        if known_class_counts(dataset) is None and subset != 'train':
            train = (cfg.get('train_dataloader') or {}).get('dataset')
            if train is not None:
                splits['train'] = DATASETS.build(train)
        distribution = class_distribution(splits)
        counts = distribution['class_counts']
        labels = get_gt_labels(dataset)
        chosen = _choose(labels, samples)
        available = np.bincount(labels[labels >= 0], minlength=len(counts))
        built = Runner.build_dataloader(
            dict(
                dataset=Subset(dataset, chosen.tolist()),
                batch_size=loader.get('batch_size', 64),
                num_workers=loader.get('num_workers', 0),
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='default_collate'),
            )
        )
        names = distribution['classes']
        return cls(built, len(chosen), available.tolist(), counts, names)


def _build_test_set(cfg: Config, subset: str) -> Dataset:
    """Build a split with the pipeline of the test."""
    dataset = cfg[f'{subset}_dataloader'].dataset
    tested = (cfg.get(f'{s}_dataloader') or {} for s in ('test', 'val'))
    found = (find_pipeline(loader.get('dataset')) for loader in tested)
    pipeline = next((pipeline for pipeline in found if pipeline is not None), None)
    if subset == 'train':
        if pipeline is None:
            raise ValueError(
                'The config has no pipeline without augmentation: add '
                '`test_dataloader` with `dataset.pipeline` to it.'
            )
        dataset = as_test_set(dataset, pipeline)
    return DATASETS.build(dataset)


def _choose(labels: np.ndarray, samples: Optional[int]) -> np.ndarray:
    """Indices of the images, in order: up to a number of each class."""
    known = np.flatnonzero(labels >= 0)
    if samples is None:
        return known
    generator = torch.Generator().manual_seed(0)
    order = known[torch.randperm(len(known), generator=generator).numpy()]
    parts = [order[labels[order] == c][:samples] for c in np.unique(labels[known])]
    return np.sort(np.concatenate(parts))
