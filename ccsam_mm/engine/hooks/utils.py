# Copyright (c) ccsam_mm contributors. All rights reserved.
import os.path as osp
from typing import Optional

from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint


def is_about_to_train(runner: Runner) -> bool:
    """Whether ``before_run`` is that of a training, not of a validation or test.

    Args:
        runner (Runner): The runner.

    Returns:
        bool: Whether the training loop has been built.
    """
    # The public property would build the loop, and with it the training data set.
    return isinstance(runner._train_loop, BaseLoop)


def last_checkpoint(work_dir: str) -> Optional[str]:
    """Find the last checkpoint, also in a work directory that was moved.

    Args:
        work_dir (str): The work directory of a training.

    Returns:
        str, optional: The checkpoint file, or None where there is none.
    """
    if not osp.isfile(osp.join(work_dir, 'last_checkpoint')):
        return None
    recorded = find_latest_checkpoint(work_dir)
    moved = osp.join(work_dir, osp.basename(recorded))
    return next(filter(osp.isfile, (moved, recorded)), None)
