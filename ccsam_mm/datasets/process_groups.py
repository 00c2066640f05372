# Copyright (c) ccsam_mm contributors. All rights reserved.
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import is_distributed


@contextmanager
def without_process_group() -> Iterator[None]:
    """Let one rank build a data set that the other ranks do not build.

    MMPretrain's CIFAR and MNIST wait for all ranks while they load, but not where files
    are missing, so that building them on one rank, or on all, may hang. Within this
    context PyTorch has no process group.

    Examples:
        >>> from mmengine.dist import get_world_size
        >>> from ccsam_mm.datasets.process_groups import without_process_group
        >>> with without_process_group():
        ...     get_world_size()
        1
    """
    if not is_distributed():
        yield
        return
    members = torch.distributed.GroupMember
    world = members.WORLD
    members.WORLD = None
    try:
        yield
    finally:
        members.WORLD = world
