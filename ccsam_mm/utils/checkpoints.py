# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the last checkpoint of a training, and the data that a checkpoint records."""

import os.path as osp
from typing import Any, Optional

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


def saved_dataset_meta(checkpoint: dict) -> dict:
    """Find the meta information of the training data in any checkpoint.

    Args:
        checkpoint (dict): A loaded checkpoint.

    Returns:
        dict: ``classes`` and ``class_counts`` where they are lists, and the rest of
        ``dataset_meta`` as it is.
    """
    meta = as_dict(checkpoint.get('meta'))
    found = dict(as_dict(meta.get('dataset_meta')))
    found.setdefault('classes', meta.get('CLASSES'))
    for key in ('classes', 'class_counts'):
        if isinstance(found.get(key), (list, tuple)):
            found[key] = list(found[key])
        else:
            found.pop(key, None)
    return found


def as_dict(value: Any) -> dict:
    """Return a dict as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}
