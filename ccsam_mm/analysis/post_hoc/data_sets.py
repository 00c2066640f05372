# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The three data sets of a config as a checkpoint sees them."""

from typing import List, NamedTuple, Optional

import torch
from mmengine.runner import CheckpointLoader, Runner

from ccsam_mm.datasets import count_classes
from ccsam_mm.datasets.class_names import NamedClasses, first_difference, named_classes
from ccsam_mm.datasets.images_of_config import images_of
from ccsam_mm.engine.hooks import ClassCountsHook
from ccsam_mm.engine.hooks.class_checks import check_num_classes
from ccsam_mm.engine.hooks.class_comparison import FIELDS
from ccsam_mm.engine.hooks.training_statistics import TrainingSet
from ccsam_mm.evaluation.post_hoc import Outputs
from ccsam_mm.utils.checkpoints import saved_dataset_meta

from .outputs import record_outputs


class RecordedSets(NamedTuple):
    """What a classifier makes of the data sets of its config.

    Args:
        train (Outputs): The training images, without augmentation.
        val (Outputs): The validation images.
        test (Outputs, optional): The test images; None where the config has none.
        class_counts (list[int]): Training images of each class.
        on_test_images (bool): Whether the validation images are those of the test.

    Examples:
        >>> from ccsam_mm.analysis.post_hoc import RecordedSets
        >>> RecordedSets(None, None, None, [5, 1], False).class_counts
        [5, 1]
    """

    train: Outputs
    val: Outputs
    test: Optional[Outputs]
    class_counts: List[int]
    on_test_images: bool


def record_sets(runner: Runner) -> RecordedSets:
    """Load the checkpoint of a runner, check it, and run it once over each data set.

    Args:
        runner (Runner): The runner, with ``load_from`` and without a loop.

    Returns:
        RecordedSets: Features, scores and labels.

    Raises:
        ValueError: If checkpoint and data sets differ in their classes.
        RuntimeError: If the checkpoint does not fill the model.
    """
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_val')  # refuses a model that is not filled
    model = runner.model.eval()
    cfg = runner.cfg
    loaders = {
        field: runner.build_dataloader(cfg[f'{field}_dataloader'], seed=runner.seed)
        for field in ('val', 'test')
        if cfg.get(f'{field}_dataloader') is not None
    }
    training_set = TrainingSet(runner, None, loaders['val'], 'val_dataloader')
    counts = count_classes(training_set.dataset)
    check_num_classes(runner, counts)
    data_sets = {field: loader.dataset for field, loader in loaders.items()}
    _check_classes(runner, dict(train=training_set.dataset, **data_sets), counts)
    loaders['train'] = training_set.dataloader()

    def record(field: str) -> Outputs:
        what = f'The images of {field}_dataloader'
        return record_outputs(model, loaders[field], what, runner.logger.info)

    val = record('val')
    test = None
    if 'test' in loaders:
        same = cfg.val_dataloader.dataset == cfg.test_dataloader.dataset
        test = val if same else record('test')
    on_test_images = test is not None and _are_same(cfg, val, test)
    return RecordedSets(record('train'), val, test, counts, on_test_images)


def _are_same(cfg, val: Outputs, test: Outputs) -> bool:
    """By their configs, or by their features, whatever the configs say."""
    if images_of(cfg.val_dataloader.dataset) == images_of(cfg.test_dataloader.dataset):
        return True
    return all(map(torch.equal, val, test))


def _check_classes(runner: Runner, data_sets: dict, counts: List[int]) -> None:
    """Refuse other classes or class counts than those of the checkpoint."""
    path = runner._load_from
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    saved = saved_dataset_meta(checkpoint)
    names = saved.get('classes')
    reference = NamedClasses(
        f'The checkpoint {path}', None if names is None else [str(n) for n in names]
    )
    for field, data_set in data_sets.items():
        found = named_classes(data_set, FIELDS[field])
        difference = first_difference(reference, found)
        if difference and _checks_names(runner):
            raise ValueError(difference)
        reference = found if reference.names is None else reference
    if saved.get('class_counts') not in (None, counts):
        raise ValueError(
            f'The checkpoint {path} was trained on {_short(saved["class_counts"])} '
            f'images of the classes, but train_dataloader.dataset has '
            f'{_short(counts)}: use the config (and the options `train_dataloader.*`) '
            'that it was trained with.'
        )


def _checks_names(runner: Runner) -> bool:
    hooks = [hook for hook in runner.hooks if isinstance(hook, ClassCountsHook)]
    return all(hook.check_names for hook in hooks)


def _short(counts: List[int]) -> str:
    shown = ', '.join(map(str, counts[:10]))
    return f'{shown}, ...' if len(counts) > 10 else shown
