# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The rank and the end of a process that a launcher has started."""

import os
import sys
import threading
import time

_RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


def is_first_process(launcher: str) -> bool:
    """Whether this is the process of rank 0, which writes the files.

    Args:
        launcher (str): MMEngine's name of the launcher, ``'none'`` for none.

    Returns:
        bool: Whether it is; True without a launcher.

    Examples:
        >>> from ccsam_mm.utils.launcher_watch import is_first_process
        >>> is_first_process('none')
        True
    """
    return int(os.environ.get(_RANKS.get(launcher, ''), 0)) == 0


def end_with_parent(interval: float = 1.0) -> None:
    """Let this process end soon after the process that has started it.

    A launcher that is killed cannot end its processes. They would continue, and delete
    the files of a training that resumes them.

    Args:
        interval (float): Seconds between two checks. Defaults to 1.0.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(interval)
        words = f'Process {os.getpid()} ends: its launcher ({parent}) has ended.'
        try:
            os.write(sys.__stderr__.fileno(), f'{words}\n'.encode())
        finally:
            # Python's own end would wait for the other processes.
            os._exit(1)

    threading.Thread(target=watch, daemon=True, name='end_with_parent').start()
