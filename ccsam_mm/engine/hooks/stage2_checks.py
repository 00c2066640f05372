# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What a config of stage 2 inherits from stage 1, and should not."""

from typing import Optional

from mmengine.dataset import ClassBalancedDataset, DefaultSampler, InfiniteSampler
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import Runner
from mmpretrain.datasets.samplers import RepeatAugSampler

from ccsam_mm.datasets.class_counts import known_class_counts
from ccsam_mm.models.losses import BalancedSoftmaxLoss, GCLLoss, LDAMLoss, VSLoss
from ccsam_mm.utils.loading.load_record import innermost

from .class_weight_hook import ClassWeightHook

# Of the start's weight in the average at the end of training.
_TOO_MUCH, _MUCH = 0.5, 0.05
# Label over-smoothing (LOS) takes 0.98, ordinary smoothing 0.1.
_OVER_SMOOTHED = 0.9


def check_average(runner: Runner) -> None:
    """Refuse an average of weights that cannot follow the training.

    ``EMAHook`` validates and saves the average. With a small momentum and few
    iterations, that is still what the training started from.

    Args:
        runner (Runner): The runner, about to train.

    Raises:
        ValueError: If more than half of the average is the start.
    """
    for hook in runner.hooks:
        if not isinstance(hook, EMAHook):
            continue
        share = _share_of_start(hook, runner)
        if share is None or share <= _MUCH:
            continue
        updates = _iters_averaged(hook, runner) // hook.ema_model.interval
        momentum = 1 - 0.01 ** (1 / max(updates, 1))
        text = (
            f'EMAHook with momentum={hook.ema_model.momentum:g} validates and saves an '
            f'average that is {100 * share:.0f}% what stage 2 starts from, after its '
            f'{runner.max_iters} iterations: leave the hook out of custom_hooks (such '
            f'as by custom_hooks=[]), or set its momentum to {momentum:.1g} or more.'
        )
        if share > _TOO_MUCH:
            raise ValueError(text)
        runner.logger.warning(text)


def _iters_averaged(hook: EMAHook, runner: Runner) -> int:
    """Number of iterations after the one whose weights the average starts from."""
    begin = hook.begin_iter
    if hook.enabled_by_epoch:
        begin = (hook.begin_epoch - 1) * runner.max_iters // max(runner.max_epochs, 1)
    return max(runner.max_iters - max(begin, 1), 0)


def _share_of_start(hook: EMAHook, runner: Runner) -> Optional[float]:
    """Weight of the first parameters in the average at the end; None if unknown.

    The average of a hook that begins late starts from what was trained until then.
    """
    average = hook.ema_model
    # Others know no constant momentum.
    if type(average).avg_func is not ExponentialMovingAverage.avg_func:
        return None
    iters = _iters_averaged(hook, runner)
    kept = (1 - average.momentum) ** (iters // average.interval)
    return kept * iters / max(runner.max_iters, 1)


def check_balance(runner: Runner) -> None:
    """Warn where nothing balances the classes of stage 2.

    Args:
        runner (Runner): The runner, about to train.
    """
    loader = runner.train_dataloader
    # A sampler, data set or loss of another kind is somebody's intention.
    sampler = getattr(loader, 'sampler', None)
    if type(sampler) not in (DefaultSampler, InfiniteSampler, RepeatAugSampler):
        return
    if any(isinstance(hook, ClassWeightHook) for hook in runner.hooks):
        return
    if isinstance(loader.dataset, ClassBalancedDataset) or _balances(runner.model):
        return
    counts = known_class_counts(loader.dataset)
    if counts is not None and max(counts) == min(counts):
        return
    runner.logger.warning(
        f'Stage 2 draws its images by {type(sampler).__name__}, as they are '
        'distributed: its classifier stays biased to classes with many images. Set '
        "train_dataloader.sampler=dict(_delete_=True, type='ClassBalancedSampler')."
    )


def check_classifier_kind(runner: Runner, weights: dict) -> None:
    """Warn where a classifier of cosines goes on as a plain linear one, or vice versa.

    Their weights have one name and shape; cosines have no bias.

    Args:
        runner (Runner): The runner, about to train.
        weights (dict): The ``state_dict`` of stage 1.
    """
    head = getattr(innermost(runner.model), 'head', None)
    if head is None or getattr(head, 'reset_classifier', False):
        return
    own = {f'head.{name}': value.shape for name, value in head.state_dict().items()}
    is_kept = 'head.fc.weight' in weights and (
        own.get('head.fc.weight') == weights['head.fc.weight'].shape
    )
    has_bias = ['head.fc.bias' in names for names in (weights, own)]
    if not is_kept or has_bias[0] == has_bias[1]:
        return
    kinds = {True: 'with a bias', False: 'without one, as those of cosines'}
    runner.logger.warning(
        f'Stage 1 has a classifier {kinds[has_bias[0]]}, and {type(head).__name__} '
        f'goes on with its weights as with those of a classifier {kinds[has_bias[1]]}: '
        'unless this is meant, take a stage 1 with the same kind of classifier, or a '
        'stage 2 that makes a new one, such as cRT.'
    )


def _balances(model) -> bool:
    """Whether a loss of the model favours rare classes, or evens all out (LOS)."""
    return any(
        isinstance(module, (BalancedSoftmaxLoss, GCLLoss, LDAMLoss, VSLoss))
        or getattr(module, 'label_smooth_val', 0) > _OVER_SMOOTHED
        or getattr(module, 'class_weight', None) is not None
        or type(module).__name__ == 'SeesawLoss'
        for module in model.modules()
    )
