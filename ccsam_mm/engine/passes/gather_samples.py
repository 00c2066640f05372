# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Joins the rows that the ranks hold; ranks may hold unequal numbers of them."""

from typing import List, Tuple

import torch
from mmengine.dist import all_gather, get_rank
from torch import Tensor


def gather_samples(tensors: List[Tensor]) -> Tuple[int, List[Tensor]]:
    """Concatenate tensors over all ranks along their first dimension.

    Args:
        tensors (List[Tensor]): Tensors with the same number of rows.

    Returns:
        Tuple[int, List[Tensor]]: Index of this rank's first row, and the tensors of all
        ranks in the order of the ranks.

    Examples:
        >>> import torch
        >>> from ccsam_mm.engine.passes.gather_samples import gather_samples
        >>> gather_samples([torch.tensor([1, 2])])  # one process
        (0, [tensor([1, 2])])
    """
    own = torch.tensor([len(tensors[0])], device=tensors[0].device)
    sizes = [int(size) for size in all_gather(own)]
    joined = []
    for tensor in tensors:
        padding = tensor.new_zeros(max(sizes) - len(tensor), *tensor.shape[1:])
        blocks = all_gather(torch.cat([tensor.detach(), padding]))
        joined.append(torch.cat([b[:size] for b, size in zip(blocks, sizes)]))
    return sum(sizes[: get_rank()]), joined
