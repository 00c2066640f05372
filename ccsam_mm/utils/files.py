# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Writes files in one step, so that no reader finds half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union


@contextmanager
def whole_file(path: Union[str, Path]) -> Iterator[str]:
    """Write to a temporary file, which replaces the file unless there is an error.

    Args:
        path (str | Path): The file; its folder is created if it is missing.

    Yields:
        str: The path to write to instead, in the same folder.
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
    """Write a text so that the file is always the whole old or the whole new one.

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
