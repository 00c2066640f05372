# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Writes files in one step, so that nobody reads half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union


@contextmanager
def whole_file(path: Union[str, Path]) -> Iterator[str]:
    """Name a file to write, which takes its place at the end, unless there is an error.

    Args:
        path (str | Path): The file; its folder is made where it lacks.

    Yields:
        str: What to write instead, in the same folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = f'{path}.{os.getpid()}.tmp'
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def write_whole(path: Union[str, Path], text: str) -> None:
    """Write a file such that it is the old or the new one, whatever happens.

    Args:
        path (str | Path): The file.
        text (str): Its content.

    Examples:
        >>> import tempfile
        >>> from ccsam_mm.utils.files import write_whole
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(f'{folder}/new/a.txt', 'text')
        ...     open(f'{folder}/new/a.txt').read()
        'text'
    """
    with whole_file(path) as new, open(new, 'w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
