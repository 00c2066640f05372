# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks for regular files: opening a named pipe hangs, and a device never ends."""

import os
import stat
from typing import Optional

KINDS = {
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a named pipe',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
}


def kind_of_file(path: str) -> Optional[str]:
    """Name the kind of a path that is not a regular file; links are followed.

    Args:
        path (str): The path.

    Returns:
        str | None: Such as 'a named pipe', or None for a regular file and for a path
        that does not exist here, as an address such as ``s3://bucket/path``.

    Examples:
        >>> from ccsam_mm.datasets.regular_files import kind_of_file
        >>> kind_of_file('/'), kind_of_file('no such file')
        ('a folder', None)
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # the latter of a null byte
        return None
    return None if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), 'no file')


def check_regular(path: str) -> None:
    """Refuse a path that exists, but is not a regular file.

    Args:
        path (str): The path.
    """
    kind = kind_of_file(path)
    if kind is not None:
        raise ValueError(
            f"'{path}' is {kind}: give the path of a regular file, or of a link to one."
        )
