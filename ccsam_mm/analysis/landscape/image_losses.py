# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The loss of every image as a function of some parameters of a model."""

from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ccsam_mm.sharpness.call_layout import tensors_in

LossFunction = Callable[[Tensor, Tensor], Tensor]


class Batch(NamedTuple):
    """Arguments of the perturbed module, and the labels of the images.

    Args:
        args (tuple): Positional arguments, of which each tensor holds images.
        kwargs (dict): Keyword arguments.
        labels (Tensor): Classes of the images, ``(B, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.analysis.landscape import Batch
        >>> batch = Batch((torch.arange(3),), dict(mode='tensor'), torch.tensor([4, 5, 6]))
        >>> batch.rows(torch.tensor([True, False, True])).args
        (tensor([0, 2]),)
    """  # noqa: E501

    args: tuple
    kwargs: dict
    labels: Tensor

    def rows(self, chosen: Tensor) -> 'Batch':
        """The batch of some images, by their mask or indices."""
        args = _map(lambda t: t[chosen], self.args)
        kwargs = _map(lambda t: t[chosen], self.kwargs)
        return Batch(args, kwargs, self.labels[chosen])


class ImageLosses:
    """Evaluates the loss of every image where some parameters are perturbed.

    The model is in evaluation mode and is never written to: perturbed parameters are
    handed to a functional call. Where all of them are in the head, only the head runs,
    on features that were recorded once (:func:`record_images`).

    Args:
        model (nn.Module): The model, or its head.
        names (Sequence[str]): Names of the perturbed parameters in it. Names of one
            parameter that is shared count once.
        batches (Sequence[Batch]): The images.
        loss (Callable): ``(scores (B, K), labels (B, )) -> losses (B, )``.

    Attributes:
        parameters (dict[str, Tensor]): The perturbed parameters.
        labels (Tensor): Classes of the images, ``(N, )``, on the CPU.

    Examples:
        >>> import torch
        >>> from torch.nn.functional import cross_entropy
        >>> from ccsam_mm.analysis.landscape import Batch, ImageLosses
        >>> model = torch.nn.Linear(2, 3, bias=False)
        >>> batch = Batch((torch.zeros(1, 2),), {}, torch.tensor([0]))
        >>> losses = ImageLosses(
        ...     model, ['weight'], [batch],
        ...     lambda scores, labels: cross_entropy(scores, labels, reduction='none'))
        >>> losses.at(torch.ones(6)).exp()
        tensor([3.0000], dtype=torch.float64)
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        batches: Sequence[Batch],
        loss: LossFunction,
    ):
        self.model = model.eval()
        by_parameter = {model.get_parameter(name): name for name in reversed(names)}
        self.parameters = {
            name: model.get_parameter(name).detach()
            for name in names
            if name in by_parameter.values()
        }
        self.batches = list(batches)
        self.loss = loss
        self.labels = torch.cat([batch.labels for batch in self.batches]).cpu()

    @property
    def size(self) -> int:
        """int: The number ``k`` of perturbed values."""
        return sum(value.numel() for value in self.parameters.values())

    def vector(self, parts: Optional[Sequence[Tensor]] = None) -> Tensor:
        """Join tensors in the shapes of the parameters to a vector.

        Args:
            parts (Sequence[Tensor], optional): One for each parameter. Defaults to
                None, the parameters themselves.

        Returns:
            Tensor: ``(k, )``.
        """
        parts = list(self.parameters.values()) if parts is None else parts
        return torch.cat([part.flatten() for part in parts])

    def each(self, step: Tensor) -> Iterator[Tensor]:
        """Losses of each batch at a perturbation, through which gradients flow.

        Args:
            step (Tensor): What is added to the parameters, ``(k, )``.

        Yields:
            Tensor: ``(B, )``.
        """
        parts = step.split([value.numel() for value in self.parameters.values()])
        values = {
            name: value + part.view_as(value)
            for (name, value), part in zip(self.parameters.items(), parts)
        }
        for batch in self.batches:
            scores = functional_call(self.model, values, batch.args, batch.kwargs)
            yield self.loss(scores, batch.labels)

    @torch.no_grad()
    def at(self, step: Optional[Tensor] = None) -> Tensor:
        """Losses of all images at a perturbation.

        Args:
            step (Tensor, optional): What is added to the parameters, ``(k, )``.
                Defaults to None, nothing.

        Returns:
            Tensor: ``(N, )``, on the CPU in double precision.
        """
        step = torch.zeros_like(self.vector()) if step is None else step
        return torch.cat([losses.cpu().double() for losses in self.each(step)])

    def of(self, chosen: Tensor) -> 'ImageLosses':
        """The same for some of the images.

        Args:
            chosen (Tensor): Mask of the images, ``(N, )``.

        Returns:
            ImageLosses: At least one image has to be chosen.
        """
        masks = chosen.split([len(batch.labels) for batch in self.batches])
        batches = [
            batch.rows(mask.to(batch.labels.device))
            for batch, mask in zip(self.batches, masks)
            if mask.any()
        ]
        return ImageLosses(self.model, list(self.parameters), batches, self.loss)


def _map(change: Callable[[Tensor], Tensor], value):
    """Change the tensors in nested arguments; anything else stays."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_map(change, part) for part in value)
    if isinstance(value, dict):
        return {key: _map(change, part) for key, part in value.items()}
    return value


def join_batches(batches: List[Batch], size: int) -> List[Batch]:
    """Join small batches to larger ones, which run faster.

    Args:
        batches (list[Batch]): Batches with equal kinds of arguments.
        size (int): Images from which a batch is large enough.

    Returns:
        list[Batch]: All images in their order.
    """
    joined: List[Batch] = []
    waiting: List[Batch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(b.labels) for b in waiting) >= size:
            joined.append(_cat(waiting))
            waiting = []
    return joined + ([_cat(waiting)] if waiting else [])


def _cat(batches: List[Batch]) -> Batch:
    # Tensors are met in one order: the first batch gives the structure.
    found = zip(*(tensors_in((batch.args, batch.kwargs)) for batch in batches))
    parts = iter([torch.cat(tensors) for tensors in found])
    args, kwargs = _map(lambda _: next(parts), (batches[0].args, batches[0].kwargs))
    return Batch(args, kwargs, torch.cat([batch.labels for batch in batches]))
