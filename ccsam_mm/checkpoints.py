# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds what a training has left in its work directory."""

import os.path as osp
from typing import Optional

from mmengine.runner import find_latest_checkpoint


def last_checkpoint(work_dir: str) -> Optional[str]:
    """Find the last checkpoint, also in a work directory that was moved.

    Args:
        work_dir (str): The work directory of a training.

    Returns:
        str, optional: The checkpoint file, or None where there is none.
    """
    if not osp.isfile(osp.join(work_dir, 'last_checkpoint')):
        return None
    try:
        recorded = find_latest_checkpoint(work_dir)
    except UnicodeDecodeError:  # the record is damaged
        return None
    moved = osp.join(work_dir, osp.basename(recorded))
    return next(filter(osp.isfile, (moved, recorded)), None)
