# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Updates buffers once for a batch that is evaluated twice."""

from contextlib import contextmanager

import torch.nn as nn


class BufferSnapshot:
    """Copies of a module's buffers, to run it again from the same state.

    Args:
        module (nn.Module): A module with running statistics, counters or none.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.passes.buffer_snapshot import BufferSnapshot
        >>> norm = torch.nn.BatchNorm1d(1)
        >>> snapshot = BufferSnapshot(norm)
        >>> _ = norm(torch.rand(2, 1))
        >>> with snapshot.restored():
        ...     _ = norm(torch.rand(2, 1))
        ...     print(int(norm.num_batches_tracked))
        1
        >>> int(norm.num_batches_tracked)
        1
    """

    def __init__(self, module: nn.Module):
        self.entries = [
            (owner, name, buffer.clone())
            for owner in module.modules()
            for name, buffer in owner.named_buffers(recurse=False)
        ]

    @contextmanager
    def restored(self):
        """Let the copies stand in, and move, for the length of the context."""
        # Other tensors, not other values: autograd may need the clean pass's. A module
        # may have put new ones in place of those of the snapshot.
        after_first = [getattr(owner, name) for owner, name, _ in self.entries]
        for owner, name, copy in self.entries:
            setattr(owner, name, copy)
        try:
            yield
        finally:
            for (owner, name, _), buffer in zip(self.entries, after_first):
                setattr(owner, name, buffer)
