# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A count of files that all workers of a data loader share."""

import hashlib
from typing import Any

import torch

SLOTS = 1 << 18


class DistinctFiles:
    """Counts different files over the workers and epochs of one process.

    Each file sets one byte of a shared array, at a place its path decides on: nothing
    needs a lock, and restarted workers find the files that others have counted. Two of
    n files share a place with probability n^2 / 2^19, so 100 files are rarely 99.

    Copies made in the process and workers started in any way share the count;
    pickled to a file it becomes a count of its own.
    """

    def __init__(self) -> None:
        self._seen = torch.zeros(SLOTS, dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return int(self._seen.sum(dtype=torch.int64))

    def add(self, path: str) -> bool:
        """Note a file.

        Args:
            path (str): Its path.

        Returns:
            bool: Whether it is noted for the first time.
        """
        digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
        slot = int.from_bytes(digest, 'little') % SLOTS
        is_new = not self._seen[slot]
        self._seen[slot] = 1
        return is_new

    def __deepcopy__(self, memo: Any) -> 'DistinctFiles':
        return self
