# Copyright (c) ccsam_mm contributors. All rights reserved.
import contextlib
import fcntl
import os
import os.path as osp
from collections.abc import Iterator


@contextlib.contextmanager
def sweep_lock(work_dir: str) -> Iterator[int]:
    """Keep a second sweep, and trainings of a killed one, out of a work directory.

    Trainings inherit the lock: it lasts until the last of them has ended. The lock of
    :func:`~ccsam_mm.utils.work_dir_lock.work_dir_lock` ends with its own process.

    Args:
        work_dir (str): The work directory of the sweep; it is created if it is missing.

    Yields:
        int: The file descriptor that trainings have to inherit.

    Raises:
        RuntimeError: If another process holds the lock.
    """
    os.makedirs(work_dir, exist_ok=True)
    with open(osp.join(work_dir, '.lock'), 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f'{work_dir} is in use by another sweep.py, or by trainings of one '
                'that was killed: wait for them, or end them.'
            ) from None
        yield file.fileno()
