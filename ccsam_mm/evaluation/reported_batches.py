# Copyright (c) ccsam_mm contributors. All rights reserved.
from collections.abc import Iterator
from typing import Any, Callable

from torch.utils.data import DataLoader


def reported_batches(
    dataloader: DataLoader, report: Callable[[str], None], what: str
) -> Iterator[Any]:
    """Iterate over batches, with about ten lines about the progress.

    Args:
        dataloader (DataLoader): The batches.
        report (Callable): Called with each line.
        what (str): What the batches are for.

    Yields:
        Any: A batch.

    Examples:
        >>> from ccsam_mm.evaluation.reported_batches import reported_batches
        >>> list(reported_batches(['a'], print, 'Letters'))
        Letters: batch 1 of 1
        ['a']
    """
    interval = max(1, len(dataloader) // 10)
    for i, batch in enumerate(dataloader, start=1):
        yield batch
        if i % interval == 0 or i == len(dataloader):
            report(f'{what}: batch {i} of {len(dataloader)}')
