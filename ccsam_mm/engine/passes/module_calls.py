# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Records how a plain forward calls the modules with perturbed parameters."""

from contextlib import ExitStack, contextmanager
from typing import Dict, Iterator, List, NamedTuple, Tuple

import torch
from torch import Tensor

from ccsam_mm.sharpness.call_layout import CallLayout, ClassRoutingError, tensors_in

from .override_forward import override_forward
from .perturbed_modules import PerturbedModules
from .random_state import RandomState


class ModuleCall(NamedTuple):
    """Inputs and outputs of a call, and whether it drew random numbers."""

    name: str
    inputs: List[torch.Size]
    outputs: List[torch.Size]
    prints: List[Tuple[Tensor, Tensor]]
    is_random: bool


@contextmanager
def watched_modules(part: PerturbedModules) -> Iterator[List[ModuleCall]]:
    """Collect all calls of modules within the context, in their order.

    Args:
        part (PerturbedModules): The perturbed part.

    Yields:
        list[ModuleCall]: The calls so far.
    """
    calls: List[ModuleCall] = []
    devices = {p.device for p in part.parameters()}

    def watched(name: str, own_forward):
        def forward(*args, **kwargs):
            inputs = [tensor.shape for tensor in tensors_in((args, kwargs))]
            before = RandomState(devices)
            output = own_forward(*args, **kwargs)
            is_random = not RandomState(devices).equals(before)
            outputs = [tensor.shape for tensor in tensors_in(output)]
            calls.append(
                ModuleCall(name, inputs, outputs, fingerprints(output), is_random)
            )
            return output

        return forward

    with ExitStack() as stack:
        for name in part.modules:
            module = part.model.get_submodule(name)
            forward = watched(name, module.forward)
            stack.enter_context(override_forward(module, forward))
        yield calls


def call_layouts(
    calls: List[ModuleCall], num_images: int, others: List[ModuleCall], num_others: int
) -> Dict[str, List[CallLayout]]:
    """Layouts of the calls of each module, from forwards of two batches.

    Args:
        calls (list[ModuleCall]): Calls in one forward.
        num_images (int): Images in its batch.
        others (list[ModuleCall]): Calls in another forward.
        num_others (int): Images in its batch, another number.

    Returns:
        dict[str, list[CallLayout]]: By name of the module.
    """
    layouts: Dict[str, List[CallLayout]] = {}
    for call, other in zip(calls, others):
        try:
            layout = CallLayout.from_shapes(
                call[1:3], num_images, other[1:3], num_others
            )
        except ClassRoutingError as error:
            raise unroutable(call.name, error) from error
        layouts.setdefault(call.name, []).append(layout)
    return layouts


def unroutable(name: str, error: ClassRoutingError) -> RuntimeError:
    """The error of a module that cannot be evaluated class by class."""
    return RuntimeError(
        f'{name!r} cannot be routed by class, because {error}: leave it out of '
        'optim_wrapper.perturb.'
    )


@torch.no_grad()
def fingerprints(output) -> List[Tuple[Tensor, Tensor]]:
    """A random projection of each row, and the norm, of every tensor of numbers."""
    prints = []
    for tensor in tensors_in(output):
        if tensor.is_floating_point() and tensor.numel():
            rows = tensor.detach().reshape(len(tensor) if tensor.ndim else 1, -1)
            rows = rows.float() if rows.dtype.itemsize < 4 else rows
            generator = torch.Generator().manual_seed(rows.shape[1])
            axis = torch.randn(rows.shape[1], generator=generator).to(rows)
            prints.append((rows @ axis, rows.norm()))
    return prints
