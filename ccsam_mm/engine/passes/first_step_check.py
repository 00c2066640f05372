# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Holds the two passes of the first step against a plain forward, as SGD runs it."""

import math
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, List, Optional

import torch
import torch.nn as nn
from torch import Tensor

from .buffer_snapshot import BufferSnapshot
from .loss_values import loss_scalar
from .module_calls import ModuleCall, call_layouts, fingerprints, watched_modules
from .perturbed_modules import PerturbedModules
from .random_state import RandomState


class FirstStepCheck:
    """Finds what cannot be evaluated class by class, or not be repeated.

    Two plain forwards, of the batch and of some of its images, show which arguments of
    the modules hold images, and what modules, losses and buffers have to be.

    Args:
        part (PerturbedModules): The perturbed part.
        forward (Callable): ``(indices) -> losses`` of these images of the batch.
        num_images (int): Images in the batch.
    """

    def __init__(
        self,
        part: PerturbedModules,
        forward: Callable[[List[int]], Dict],
        num_images: int,
    ):
        self.model = part.model
        self.spare_buffers = BufferSnapshot(self.model)
        with _unmoved(part), watched_modules(part) as calls:
            self.losses = forward(list(range(num_images)))
            self.buffers = _copies(self.model)
        self.tolerance = _tolerance(self.model)
        self._pending: Optional[List[ModuleCall]] = list(calls)
        # Random numbers of a module differ between one call and a call per class.
        self.is_random = any(call.is_random for call in calls)
        num_others = 3 if num_images == 2 else 2
        with _unmoved(part), watched_modules(part) as others:
            try:
                forward([i % num_images for i in range(num_others)])
            except Exception:
                # A model for this number of images: lengths have to tell.
                others.clear()
        same = [call.name for call in calls] == [call.name for call in others]
        self.layouts = {}
        if same:
            self.layouts = call_layouts(calls, num_images, others, num_others)

    def check_module(self, name: str, output) -> None:
        """Refuse a module whose outputs differ when it runs once for each class."""
        if not self._pending or self._pending[0].name != name:
            self._pending = None
            return
        call = self._pending.pop(0)
        if call.is_random:
            self._pending = None
            return
        found = fingerprints(output)
        for (own, norm), (other, _) in zip(call.prints, found):
            difference = 1.0
            if own.shape == other.shape:
                difference = float((own - other).norm() / norm.clamp(min=1e-30))
            if math.isfinite(float(norm)) and not difference <= self.tolerance:
                kind = type(self.model.get_submodule(name)).__name__
                raise RuntimeError(
                    f'{name!r} ({kind}) returns something else (by {difference:.1%}) '
                    'when it is called once for each class, so CCSAMOptimWrapper '
                    'cannot perturb it: leave it out of optim_wrapper.perturb, which '
                    'needs modules that treat images independently.'
                )

    def check_first_pass(self, losses: Dict) -> None:
        """Refuse losses or buffers that are not those of a plain forward."""
        if self.is_random:
            return
        refuse_other_losses(self.losses, losses, self.tolerance)
        for name, end in _copies(self.model).items():
            expected = self.buffers.get(name)
            if expected is None or _differs(end, expected, self.tolerance):
                owner = self.model.get_submodule(name.rpartition('.')[0])
                raise RuntimeError(
                    f'The buffer {name!r} of a {type(owner).__name__} moves otherwise '
                    'when modules are called once for each class, so '
                    'CCSAMOptimWrapper cannot perturb them: leave the module that '
                    'moves it out of optim_wrapper.perturb.'
                )

    def check_second_pass(self, losses: Dict, again: Dict) -> None:
        """Refuse losses that a second pass does not reproduce."""
        refuse_other_losses(losses, again, self.tolerance)


def refuse_other_losses(losses: Dict, others: Dict, tolerance: float) -> None:
    """Refuse to go on with a forward that does not give the same losses twice.

    Args:
        losses (dict): Losses of the model.
        others (dict): Losses of the same forward, with the same parameters.
        tolerance (float): Relative difference that rounding explains.

    Raises:
        RuntimeError: Where they differ.
    """
    for key in [key for key in losses if 'loss' in key]:
        pair = [
            loss_scalar(entries[key]).detach().double() if key in entries else None
            for entries in (losses, others)
        ]
        first, second = pair
        if second is None or not torch.allclose(
            first, second, rtol=tolerance, atol=0.01 * tolerance, equal_nan=True
        ):
            values = ['none' if value is None else f'{value:.6g}' for value in pair]
            raise RuntimeError(
                f'The {key!r} of one batch is {values[0]}, and {values[1]} when '
                'CCSAMOptimWrapper repeats the forward with the same parameters: let '
                'the model draw random numbers from the global generators, keep its '
                'state in buffers, and call its modules, or set '
                "optim_wrapper.perturb='head'."
            )


@contextmanager
def _unmoved(part: PerturbedModules) -> Iterator[None]:
    """Leave random generators and buffers where they are."""
    state = RandomState({p.device for p in part.parameters()})
    with BufferSnapshot(part.model).restored():
        try:
            yield
        finally:
            state.restore()


def _copies(model: nn.Module) -> Dict[str, Tensor]:
    return {name: buffer.detach().clone() for name, buffer in model.named_buffers()}


def _differs(end: Tensor, expected: Tensor, tolerance: float) -> bool:
    if end.shape != expected.shape or not end.is_floating_point():
        return not torch.equal(end, expected)
    end, expected = end.double(), expected.double()
    if not expected.isfinite().all():
        return False
    # Sums that cancel are zero but for rounding, hence the absolute part.
    scale = expected.norm() + 0.1 * math.sqrt(max(expected.numel(), 1))
    return bool((end - expected).norm() > tolerance * scale)


def _tolerance(model: nn.Module) -> float:
    """Relative difference that the order of summation, or TF32, can explain."""
    if torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled():
        return 0.1
    dtypes = {p.dtype for p in model.parameters()}
    if any(dtype.itemsize < 4 for dtype in dtypes):
        return 0.1
    return 1e-6 if dtypes == {torch.float64} else 1e-2
