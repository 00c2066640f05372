# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Calls a module once per class, with the images and the weights of that class."""

from contextlib import contextmanager
from typing import Dict, Iterator, List, Optional

import torch
import torch.nn as nn
from torch import Tensor
from torch.func import functional_call

from .call_layout import CallLayout, ClassRoutingError, tensors_in
from .class_routing import ClassRouting


def call_per_class(
    module: nn.Module,
    weights: Dict[str, Tensor],
    routing: ClassRouting,
    args: tuple,
    kwargs: dict,
    layout: Optional[CallLayout] = None,
):
    """Call a module once per class, with the part of its arguments for that class.

    Buffers start every call from their initial values and end at the mean over images,
    because a single call for all images would average the statistics of the images.

    Args:
        module (nn.Module): A module that does not couple images.
        weights (dict[str, Tensor]): Weights of each class, ``(C, *shape)``.
        routing (ClassRouting): The batch.
        args (tuple): Arguments of the module.
        kwargs (dict): Keyword arguments of the module.
        layout (CallLayout, optional): Which tensors are batches. Defaults to None:
            the first one, and all of the same length.

    Returns:
        The module's outputs, tensors with rows in the order of the batch.
    """
    tensors = list(tensors_in((args, kwargs)))
    if layout is None or len(layout.inputs) != len(tensors):
        layout = CallLayout(_rows_by_length(tensors, routing), ())
    rows = iter(layout.inputs)
    cut_args, cut_kwargs = _cut(args, routing, rows), _cut(kwargs, routing, rows)
    buffers = _MovingBuffers(module)
    outputs = []
    for label in range(len(routing.sizes)):
        own = {name: stack[label] for name, stack in weights.items()}
        with buffers.for_class(own):
            outputs.append(
                functional_call(module, own, cut_args[label], cut_kwargs[label])
            )
    buffers.settle(routing)
    return _joined(outputs, iter(layout.outputs))


class _MovingBuffers:
    """The buffers of a module that is called once per class."""

    def __init__(self, module: nn.Module):
        self.module = module
        self.start = dict(module.named_buffers())
        self.ends: Dict[str, List[Tensor]] = {name: [] for name in self.start}

    @contextmanager
    def for_class(self, values: Dict[str, Tensor]):
        """Add copies to the values of a call, and keep those that it changes."""
        copies = {name: self.start[name].clone() for name in self.ends}
        values.update(copies)
        yield
        # functional_call keeps in `values` the tensors that the module assigned.
        self.ends = {
            name: [*self.ends[name], values[name]]
            for name, copy in copies.items()
            if values[name] is not copy or copy._version
        }

    @torch.no_grad()
    def settle(self, routing: ClassRouting) -> None:
        """Update the module's own buffers, once."""
        for name, ends in self.ends.items():
            end = ends[0]
            if end.is_floating_point():
                # Differences, so that equal ends give exactly that value.
                for size, other in zip(routing.sizes, ends):
                    end = end + (size / routing.num_images) * (other - ends[0])
            # In place, because DDP holds the tensor, too.
            self.start[name].copy_(end)


def _cut(value, routing: ClassRouting, rows: Iterator[Optional[int]]) -> list:
    """The part of an argument for each class."""
    num_classes = len(routing.sizes)
    if isinstance(value, Tensor):
        shared = next(rows) is None
        return [value] * num_classes if shared else routing.split(value)
    if isinstance(value, dict):
        named = {key: _cut(part, routing, rows) for key, part in value.items()}
        return [{key: p[c] for key, p in named.items()} for c in range(num_classes)]
    if isinstance(value, (tuple, list)):
        parts = [_cut(part, routing, rows) for part in value]
        return [type(value)(p[c] for p in parts) for c in range(num_classes)]
    return [value] * num_classes


def _rows_by_length(tensors: List[Tensor], routing: ClassRouting) -> tuple:
    """The first tensor with rows is a batch, and so are all of the same length."""
    lengths = [len(tensor) if tensor.ndim else None for tensor in tensors]
    first = next((length for length in lengths if length is not None), None)
    if first is None:
        raise ClassRoutingError('none of its arguments is a batch')
    return tuple(1 if length == first else None for length in lengths)


def _joined(outputs: list, rows: Iterator[Optional[int]]):
    """Join outputs (tensors in tuples, lists or dictionaries) along the rows."""
    first = outputs[0]
    if isinstance(first, Tensor):
        is_batch = next(rows, 1) is not None and first.ndim
        # The module may return an argument that all images share.
        if all(out is first for out in outputs) and not is_batch:
            return first
        if not is_batch:
            raise ClassRoutingError(
                f'it returns {tuple(first.shape)}, which does not hold the images'
            )
        return torch.cat(outputs)
    if isinstance(first, dict):
        return {key: _joined([out[key] for out in outputs], rows) for key in first}
    if isinstance(first, (tuple, list)):
        return type(first)(_joined(list(parts), rows) for parts in zip(*outputs))
    return first
