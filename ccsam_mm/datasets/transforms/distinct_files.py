# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A count of files that all workers of a data loader share."""

import zlib
from typing import Any

import torch

SLOTS = 1 << 18


class DistinctFiles:
    """Counts different files over the workers and epochs of one process.

    Each file sets one byte of a shared array, at the place of its check sum: nothing
    needs a lock, and workers that start anew find what others have set. Two of n
    files share a place with probability n^2 / 2^19, so 100 files are rarely 99.

    Copies made in the process and workers started in any way share the count;
    pickled to a file it becomes a count of its own.
    """

    def __init__(self) -> None:
        self._seen = torch.zeros(SLOTS, dtype=torch.uint8).share_memory_()

    def add(self, path: str) -> int:
        """Note a file.

        Args:
            path (str): Its path.

        Returns:
            int: How many different ones were noted so far, with this one.
        """
        self._seen[zlib.crc32(path.encode()) % SLOTS] = 1
        return int(self._seen.sum(dtype=torch.int64))

    def __deepcopy__(self, memo: Any) -> 'DistinctFiles':
        return self
