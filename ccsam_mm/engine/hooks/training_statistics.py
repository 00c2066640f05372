# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Statistics of the training images, from the file of a checkpoint or made anew."""

import hashlib
import json
from typing import Any, Optional

import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ccsam_mm.datasets import get_gt_labels
from ccsam_mm.datasets.pipelines import as_test_set, find_pipeline
from ccsam_mm.datasets.process_groups import without_process_group
from ccsam_mm.evaluation.open_set import ClassStatistics, collect_class_statistics
from ccsam_mm.evaluation.open_set.statistics_file import (
    STATISTICS_SUFFIX,
    KeptStatistics,
    beside_checkpoint,
    load_statistics,
    model_key,
    save_statistics,
)

from .utils import is_about_to_train


class TrainingSet:
    """The training images as a test would see them.

    Args:
        runner (Runner): The runner.
        dataset (dict, optional): The training data set; None stands for that of the
            runner's config.
        dataloader (DataLoader): That of the test, of which batch size and workers are
            taken.
        key (str): The config key of that data loader.
    """

    def __init__(
        self,
        runner: Runner,
        dataset: Optional[dict],
        dataloader: DataLoader,
        key: str,
    ):
        self.like = dataloader
        if dataset is None:
            dataset = (runner.cfg.get('train_dataloader') or {}).get('dataset')
        pipeline = find_pipeline((runner.cfg.get(key) or {}).get('dataset'))
        if not isinstance(dataset, dict) or pipeline is None:
            raise ValueError(
                'Scores with prototypes are made from the training images, but '
                f'{f"{key}.dataset has no pipeline" if dataset else "there are none"} '
                'in the config: add `train_dataloader` or set `train_dataset` of '
                "OpenSetHook, or use another `score` of OpenSetMetric, like 'energy'."
            )
        self.cfg = as_test_set(dataset, pipeline)
        self._dataset: Optional[Dataset] = None

    @property
    def dataset(self) -> Dataset:
        """Dataset: The data set, which all ranks have to build together."""
        if self._dataset is None:
            self._dataset = self._build()
        return self._dataset

    def _build(self) -> Dataset:
        dataset = DATASETS.build(self.cfg)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        return dataset

    def data_key(self) -> str:
        """Hash the config, with the pipeline, and the labels, on any one rank."""
        dataset = self._dataset
        if dataset is None:
            with without_process_group():
                # Not kept: the others would miss this rank when they build theirs.
                dataset = self._build()
        sha = hashlib.sha256(get_gt_labels(dataset).tobytes())
        sha.update(json.dumps(self.cfg, sort_keys=True, default=str).encode())
        return sha.hexdigest()

    def dataloader(self) -> DataLoader:
        """Each image on one rank, in order."""
        like: Any = self.like
        return DataLoader(
            self.dataset,
            batch_size=like.batch_size or like.batch_sampler.batch_size,
            sampler=DefaultSampler(self.dataset, shuffle=False, seed=0, round_up=False),
            num_workers=like.num_workers,
            collate_fn=like.collate_fn,
            pin_memory=like.pin_memory,
            # The seed of its workers is no draw from the global generator, which a
            # training goes on with.
            generator=torch.Generator(),
        )


def training_statistics(
    runner: Runner,
    model: nn.Module,
    training_set: TrainingSet,
    checkpoint: Optional[str],
    with_distances: bool,
) -> ClassStatistics:
    """Load the statistics of the training images, or make and keep them.

    Args:
        runner (Runner): The runner.
        model (nn.Module): The classifier, without its wrapper.
        training_set (TrainingSet): The images.
        checkpoint (str, optional): The checkpoint of the model; None keeps nothing.
        with_distances (bool): Whether OpenMax needs them, too.

    Returns:
        ClassStatistics: The statistics, where the model is.
    """
    path = statistics = None
    if checkpoint is not None:
        path = beside_checkpoint(checkpoint, STATISTICS_SUFFIX, runner.work_dir)
        # The first rank decides for all, since machines may not share their files.
        shared: list = [None]
        if is_main_process():
            shared = [_reuse(runner, path, model, training_set, with_distances)]
        broadcast_object_list(shared)
        statistics = shared[0]
    elif not is_about_to_train(runner):
        runner.logger.warning(
            'The model comes from no checkpoint, so that its class means of the '
            'training features mean little and are not kept: set `load_from`.'
        )
    if statistics is None:
        model.eval()
        statistics = collect_class_statistics(
            model, training_set.dataloader(), with_distances, runner.logger.info
        )
        if path is not None and is_main_process():
            keys = model_key(model), training_set.data_key()
            _keep(runner, path, KeptStatistics(statistics, *keys))
    device = next(model.parameters()).device
    return ClassStatistics(*(t if t is None else t.to(device) for t in statistics))


def _reuse(
    runner: Runner,
    path: str,
    model: nn.Module,
    training_set: TrainingSet,
    with_distances: bool,
) -> Optional[ClassStatistics]:
    """Load the kept statistics if they are the right ones."""
    kept = load_statistics(path)
    if kept is None:
        return None
    what = f'The statistics of the training images in {path}'
    if kept.model_key != model_key(model):
        lack = 'are those of other weights'
    elif with_distances and kept.statistics.distances is None:
        lack = "lack what score='openmax' needs"
    else:
        lack = _compare_data(runner, what, kept, training_set)
    if lack:
        runner.logger.info(f'{what} {lack}: they are made anew.')
        return None
    runner.logger.info(f'{what} are used again.')
    return kept.statistics


def _compare_data(
    runner: Runner, what: str, kept: KeptStatistics, training_set: TrainingSet
) -> str:
    """Say what is wrong with the training images of kept statistics, or nothing."""
    try:
        is_same = kept.data_key == training_set.data_key()
    except OSError as error:
        # Testing needs no training images where somebody has brought the file.
        runner.logger.warning(
            f'{what} are used unchecked, since the training data set cannot be '
            f'loaded ({error}): set its `data_root` to have them checked.'
        )
        return ''
    return '' if is_same else 'are those of other training images or another pipeline'


def _keep(runner: Runner, path: str, kept: KeptStatistics) -> None:
    """Write the file, or warn that the next test will take as long."""
    try:
        save_statistics(path, kept)
    except (OSError, RuntimeError) as error:  # PyTorch's own is the latter
        runner.logger.warning(
            f'The statistics of the training images could not be kept ({error}), and '
            f'the next test makes them anew: make {path} writable.'
        )
    else:
        runner.logger.info(f'Kept the statistics of the training images in {path}.')
