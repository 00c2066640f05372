# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Runs a model once over images, and keeps what its perturbed part needs."""

from typing import Callable, Iterable, List, Optional, Sequence

import torch
from torch import Tensor, nn

from ccsam_mm.sharpness.call_layout import tensors_in

from .image_losses import Batch, ImageLosses, LossFunction, join_batches

# Beyond it, the images are better evaluated in part.
MAX_BYTES = 8 * 2**30
# Features of a classifier are so small that many images fit into one call.
HEAD_BATCH = 4096


@torch.no_grad()
def record_images(
    model: nn.Module,
    names: Sequence[str],
    loader: Iterable,
    loss: LossFunction,
    num_images: int,
    num_classes: int,
    tick: Optional[Callable[[], None]] = None,
) -> ImageLosses:
    """Evaluate a classifier on images, and prepare it for perturbed evaluations.

    If the perturbed parameters are all in ``model.head``, the input of the head is
    recorded and the trunk is not needed again; otherwise the images are kept.

    Args:
        model (nn.Module): A classifier of MMPretrain in evaluation mode.
        names (Sequence[str]): Names of the perturbed parameters.
        loader (Iterable): Batches for the data preprocessor.
        loss (Callable): ``(scores (B, K), labels (B, )) -> losses (B, )``.
        num_images (int): The number of all images.
        num_classes (int): The number of classes ``K``.
        tick (Callable, optional): Called after each batch. Defaults to None.

    Returns:
        ImageLosses: The losses of the images.

    Raises:
        ValueError: If the model does not give one score for each class.
        MemoryError: If what would be kept is too large.
    """
    head_only = isinstance(getattr(model, 'head', None), nn.Module) and all(
        name.startswith('head.') for name in names
    )
    batches: List[Batch] = []
    for data in loader:
        data = model.data_preprocessor(data, False)
        labels = torch.cat([sample.gt_label for sample in data['data_samples']])
        calls: list = []
        handles = []
        if head_only:
            handles.append(
                model.head.register_forward_pre_hook(
                    lambda _, args, kwargs, calls=calls: calls.append((args, kwargs)),
                    with_kwargs=True,
                )
            )
        try:
            scores = model(data['inputs'], mode='tensor')
        finally:
            for handle in handles:
                handle.remove()
        _check_scores(scores, num_classes, type(model).__name__)
        if not head_only:
            calls = [((data['inputs'],), dict(mode='tensor'))]
        args, kwargs = calls[-1]
        batch = Batch(args, kwargs, labels.to(scores.device))
        if not batches:
            _check_first(model, head_only, batch, scores)
            _check_loss(loss, scores, batch.labels)
            _check_size(batch, num_images)
        batches.append(batch)
        if tick is not None:
            tick()
    if head_only:
        names = [name[len('head.') :] for name in names]
        batches = join_batches(batches, HEAD_BATCH)
    return ImageLosses(model.head if head_only else model, names, batches, loss)


def _check_scores(scores, num_classes: int, name: str) -> None:
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        raise ValueError(
            f'{name} does not give one vector of scores for each image, so it has no '
            'loss to draw: use a config of a single-label classifier.'
        )
    if scores.shape[1] != num_classes:
        raise ValueError(
            f'The model has {scores.shape[1]} classes and the training data set has '
            f'{num_classes}: set model.head.num_classes to {num_classes}, or take the '
            'config of the training.'
        )


def _check_first(
    model: nn.Module, head_only: bool, batch: Batch, scores: Tensor
) -> None:
    """Refuse a model whose scores are not what its head makes of the features."""
    if head_only:
        again = model.head(*batch.args, **batch.kwargs)
        if not torch.equal(torch.nan_to_num(again), torch.nan_to_num(scores)):
            raise NotImplementedError(
                f'The scores of {type(model).__name__} are not those of its head: '
                "set --perturb '' to perturb and run the whole model."
            )


def _check_loss(loss: LossFunction, scores: Tensor, labels: Tensor) -> None:
    """Refuse a loss that is no sum over independent images."""
    whole = loss(scores, labels)
    is_single = isinstance(whole, Tensor) and whole.shape == labels.shape
    if is_single and len(labels) > 1:
        half = len(labels) // 2
        parts = (loss(scores[s], labels[s]) for s in (slice(half), slice(half, None)))
        is_single = torch.allclose(whole, torch.cat(list(parts)), equal_nan=True)
    if not is_single:
        raise ValueError(
            'The loss of the config is not one number for each image by itself, as '
            'losses that couple images or keep statistics are not: use --loss ce.'
        )


def _check_size(batch: Batch, num_images: int) -> None:
    kept = tensors_in((batch.args, batch.kwargs))
    own = sum(t.numel() * t.element_size() for t in kept) / len(batch.labels)
    if own * num_images > MAX_BYTES:
        raise MemoryError(
            f'{num_images:,} images would take {own * num_images / 2**30:.1f} GiB of '
            'memory: set --samples to a number of images of each class, such as '
            f'--samples 10, or --perturb to a part of the head.'
        )
