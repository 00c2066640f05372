# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lets two forwards draw the same random numbers."""

import random
from contextlib import contextmanager
from typing import Iterable

import numpy as np
import torch


class RandomState:
    """State of every random generator that a forward may draw from.

    Args:
        devices (Iterable[torch.device]): Devices whose generators belong to it, beside
            those of the CPU, of Python and of NumPy.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.passes.random_state import RandomState
        >>> state = RandomState([torch.device('cpu')])
        >>> first = torch.rand(2)
        >>> with state.replayed():
        ...     bool((torch.rand(2) == first).all())
        True
    """

    def __init__(self, devices: Iterable[torch.device]):
        self.devices = [device for device in devices if device.type != 'cpu']
        self.python = random.getstate()
        self.numpy = np.random.get_state()
        self.cpu = torch.get_rng_state()
        self.others = [
            _backend(device).get_rng_state(*_index(device)) for device in self.devices
        ]

    def restore(self) -> None:
        """Put all generators back into this state."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        for device, state in zip(self.devices, self.others):
            _backend(device).set_rng_state(state, *_index(device))

    def equals(self, other: 'RandomState') -> bool:
        """Whether nothing was drawn between the two states."""
        return (
            self.python == other.python
            and all(map(np.array_equal, self.numpy, other.numpy))
            and torch.equal(self.cpu, other.cpu)
            and all(map(torch.equal, self.others, other.others))
        )

    @contextmanager
    def replayed(self):
        """Draw from this state within the context, and leave no trace of it."""
        now = RandomState(self.devices)
        self.restore()
        try:
            yield
        finally:
            now.restore()


def _backend(device: torch.device):
    return getattr(torch, device.type)


def _index(device: torch.device) -> tuple:
    # Apple's backend has one device, and its functions take none.
    return () if device.type == 'mps' else (device,)
