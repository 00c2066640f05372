# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lets recorded outputs stand in for modules that need not run again."""

from collections import deque
from contextlib import ExitStack, contextmanager
from typing import Callable, Deque, Iterable, Iterator, List, NamedTuple, Optional

import torch
import torch.nn as nn

from ccsam_mm.sharpness.call_layout import tensors_in

from .override_forward import override_forward
from .random_state import RandomState


class Call(NamedTuple):
    """A call of a module, with the random state that it left behind."""

    module: nn.Module
    output: object
    random_state: RandomState


class CallRecords:
    """Outputs of the calls that ended before the perturbed part began.

    A call inside another recorded one is no record: it is not repeated, either.

    Args:
        model (nn.Module): The model, which knows the names of its modules.
        modules (Iterable[nn.Module]): Modules without a perturbed parameter.
        devices (Iterable[torch.device]): Devices with random generators.
    """

    def __init__(
        self,
        model: nn.Module,
        modules: Iterable[nn.Module],
        devices: Iterable[torch.device],
    ):
        self.model = model
        self.modules = list(modules)
        self.devices = list(devices)
        self.calls: List[Call] = []
        self.versions: Optional[List[int]] = None
        self._depth = 0

    def record(self, stack: ExitStack) -> None:
        """Record all calls from now until :meth:`close`, or until the stack ends."""
        for module in self.modules:
            forward = self._recorded(module, module.forward)
            stack.enter_context(override_forward(module, forward))

    def close(self) -> None:
        """Record no further call: the perturbed part begins."""
        if self.versions is None:
            self.versions = self._versions()

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Let the outputs stand in, in turn; later calls run for real."""
        pending = deque(self.calls)
        with ExitStack() as stack:
            for module in dict.fromkeys(call.module for call in self.calls):
                forward = self._replayed(module, pending)
                stack.enter_context(override_forward(module, forward))
            yield
        if pending:
            self._refuse_other_order(pending[0].module)
        # What ran for its side effect on a recorded output ran twice.
        self.refuse_changes()

    def refuse_changes(self) -> None:
        """Refuse outputs that were changed in place, and cannot stand in again."""
        if self.versions != self._versions():
            raise RuntimeError(
                'The perturbed part, or what leads to it, changes the output of a '
                'module before it in place, so CCSAMOptimWrapper cannot repeat its '
                'forward: also name that module in optim_wrapper.perturb.'
            )

    def _recorded(self, module: nn.Module, own_forward: Callable) -> Callable:
        # Under hooks: these run again when the output stands in.
        def forward(*args, **kwargs):
            self._depth += 1
            try:
                output = own_forward(*args, **kwargs)
            finally:
                self._depth -= 1
            if self.versions is None and not self._depth:
                self.calls.append(Call(module, output, RandomState(self.devices)))
            return output

        return forward

    def _replayed(self, module: nn.Module, pending: Deque[Call]) -> Callable:
        own_forward = module.forward

        def forward(*args, **kwargs):
            if not pending:
                return own_forward(*args, **kwargs)
            if pending[0].module is not module:
                self._refuse_other_order(module)
            call = pending.popleft()
            call.random_state.restore()
            return call.output

        return forward

    def _refuse_other_order(self, module: nn.Module) -> None:
        name = next(name for name, m in self.model.named_modules() if m is module)
        raise RuntimeError(
            f'The second forward does not call {name!r} ({type(module).__name__}) when '
            'the first did, so CCSAMOptimWrapper cannot repeat it: let '
            "optim_wrapper.perturb name that module, too, or set it to 'head'."
        )

    def _versions(self) -> List[int]:
        """How often the recorded outputs were changed in place."""
        return [t._version for call in self.calls for t in tensors_in(call.output)]
