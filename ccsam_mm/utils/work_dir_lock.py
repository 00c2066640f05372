# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Keeps a second training out of a work directory."""

import errno
import os
import shlex
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Union

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = '.training.lock'


@contextmanager
def work_dir_lock(work_dir: Union[str, Path], patience: float = 10) -> Iterator[None]:
    """Hold a work directory, until the end of the context or of the process.

    The lock is the process's own: its data loader workers and other children neither
    have nor keep it, so that remaining processes of a killed training do not block a
    resumed one. On Windows and on file systems without locks, nothing is held.

    Args:
        work_dir (str | Path): The directory; it is created if it is missing.
        patience (float): Seconds to wait for a training that is about to end.
            Defaults to 10.

    Raises:
        RuntimeError: If another process holds the directory; it says which.

    Examples:
        >>> import tempfile
        >>> from ccsam_mm.utils.work_dir_lock import work_dir_lock
        >>> with tempfile.TemporaryDirectory() as work_dir:
        ...     with work_dir_lock(work_dir):
        ...         pass
    """
    if fcntl is None:
        yield
        return
    path = Path(work_dir, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Nothing else may open this file in this process: closing it would give a record
    # lock back. One of flock() would be inherited by every worker.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if _acquire(file, path, time.monotonic() + patience):
            _write(file, _holder())
        yield
        os.truncate(file, 0)
    finally:
        os.close(file)


def _acquire(file: int, path: Path, deadline: float) -> bool:
    """Take the lock, or name its holder; returns False where there are no locks."""
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                warnings.warn(
                    f'{path} cannot be locked ({error.strerror}): make sure that no '
                    'two trainings use this work directory.',
                    stacklevel=4,
                )
                return False
        if time.monotonic() >= deadline:
            holder = os.pread(file, 4096, 0).decode(errors='replace').strip()
            raise RuntimeError(
                f'{path.parent} is in use by another training '
                f'({holder or "of an unknown process"}): wait for it, end it, or set '
                'another --work-dir.'
            )
        time.sleep(0.2)


def _holder() -> str:
    """The description of this process for others."""
    command = shlex.join(['python', *sys.argv])
    if len(command) > 200:
        command = f'{command[:197]}...'
    since = datetime.now().isoformat(' ', 'seconds')
    return f'process {os.getpid()} on {socket.gethostname()} since {since}: {command}'


def _write(file: int, text: str) -> None:
    os.truncate(file, 0)
    os.pwrite(file, text.encode(errors='replace'), 0)
