# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the arguments of a module that hold the images of a batch."""

from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor


class ClassRoutingError(ValueError):
    """The rows of a module's tensors do not match the images of the batch."""


class CallLayout(NamedTuple):
    """Rows per image of the tensors in a module's call; None for a shared tensor.

    Args:
        inputs (tuple[int | None]): For each tensor among the arguments.
        outputs (tuple[int | None]): For each tensor in the returned value.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness.call_layout import CallLayout
        >>> six = [torch.Size([12, 4]), torch.Size([6, 6])]  # windows of 6 images, mask
        >>> two = [torch.Size([4, 4]), torch.Size([6, 6])]  # the same of 2 images
        >>> CallLayout.from_shapes((six, six[:1]), 6, (two, two[:1]), 2)
        CallLayout(inputs=(2, None), outputs=(2,))
    """

    inputs: Tuple[Optional[int], ...]
    outputs: Tuple[Optional[int], ...]

    @classmethod
    def from_shapes(
        cls,
        shapes: Sequence[List[torch.Size]],
        num_images: int,
        others: Sequence[List[torch.Size]],
        num_others: int,
    ) -> 'CallLayout':
        """Compare the shapes in a call for two batches of different size.

        Args:
            shapes (Sequence[list[torch.Size]]): Shapes of the inputs and the outputs.
            num_images (int): Images in the batch.
            others (Sequence[list[torch.Size]]): Those shapes for the other batch.
            num_others (int): Images in the other batch.

        Raises:
            ClassRoutingError: If images are not along the first dimension.
        """
        sizes = (num_images, num_others)
        rows = [
            tuple(_rows_per_image(a, b, *sizes) for a, b in zip(ours, theirs))
            for ours, theirs in zip(shapes, others)
        ]
        if all(count is None for count in rows[0]):
            raise ClassRoutingError('none of its arguments is a batch')
        return cls(*rows)


def tensors_in(value) -> Iterator[Tensor]:
    """The tensors in arguments or outputs of a module, in their order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def _rows_per_image(
    shape: torch.Size, other: torch.Size, num_images: int, num_others: int
) -> Optional[int]:
    grows = [a * num_others == b * num_images and a != b for a, b in zip(shape, other)]
    if grows and grows[0] and shape[0] % num_images == 0:
        return shape[0] // num_images
    if any(grows):
        raise ClassRoutingError(
            f'{tuple(shape)} has the {num_images} images along dimension '
            f'{grows.index(True)}, not along the first'
        )
    return None
