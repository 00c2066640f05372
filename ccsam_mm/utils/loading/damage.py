# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Says in one sentence why a checkpoint cannot be read."""

import os.path as osp
import pickle
import re
import zipfile
from collections.abc import Iterator
from typing import Optional, Tuple
from urllib.error import URLError

import torch

# The advice and guesses that PyTorch adds to its reasons.
_AROUND = re.compile(
    r'\. (?:This is an internal miniz|In PyTorch 2\.6|The file might).*', re.DOTALL
)


def why_unreadable(filename: str, error: Exception) -> Tuple[str, str]:
    """Explain an error of a loader.

    Args:
        filename (str): The checkpoint that was to be loaded.
        error (Exception): The error.

    Returns:
        Tuple[str, str]: 'refused', 'unreachable' or 'damaged', and a sentence.
    """
    is_remote = '://' in filename
    if isinstance(error, (URLError, ConnectionError, TimeoutError)) or (
        is_remote and isinstance(error, OSError)
    ):
        return 'unreachable', (
            f'{filename} cannot be reached ({_first_line(error)}): correct the '
            'address, or download the file elsewhere and name that one.'
        )
    if isinstance(error, (IsADirectoryError, PermissionError)):
        return 'unreachable', f'{filename} cannot be read: {_first_line(error)}.'
    if is_remote and isinstance(error, KeyError):
        return 'unreachable', (
            f'{filename} is not a model that its scheme knows: correct the name, or '
            'name a file.'
        )
    found = re.search(r'GLOBAL (\S+)', ' '.join(_attempts(error)))
    if found or (isinstance(error, pickle.UnpicklingError) and _is_refusal(error)):
        return 'refused', (
            f'{filename} is refused: it holds more than weights and logs '
            f'({found[1] if found else _reason(error)}); if you trust the file, allow '
            'that name with torch.serialization.add_safe_globals.'
        )
    where = ''
    if is_remote:
        where = f'; downloads are kept in {torch.hub.get_dir()}/checkpoints'
    return 'damaged', (
        f'{filename} cannot be read: it is truncated, damaged or not a checkpoint '
        f'({_describe(filename, error)}{where}). Take another one, or copy or make it '
        'again.'
    )


def broken_record(filename: str) -> str:
    """Find a part of a file that was changed after it was written.

    PyTorch does not check the checksums that it writes.

    Args:
        filename (str): Path of a file of :func:`torch.save`.

    Returns:
        str: The name of the part, empty if all are whole or none has a checksum.
    """
    if not zipfile.is_zipfile(filename):
        return ''
    with zipfile.ZipFile(filename) as file:
        records = file.infolist()
        broken = [record.filename for record in records if not _is_whole(file, record)]
    # torch.serialization.set_crc32_options(False) writes no checksums at all.
    return broken[0] if 0 < len(broken) < len(records) else ''


def _is_whole(file: zipfile.ZipFile, record: zipfile.ZipInfo) -> bool:
    try:
        with file.open(record) as part:
            while part.read(1 << 20):
                pass
    except zipfile.BadZipFile:
        return False
    return True


def _attempts(error: Optional[BaseException]) -> Iterator[str]:
    """The errors of all attempts; a loader reports only its last one."""
    while error is not None:
        yield str(error)
        error = error.__context__


def _is_refusal(error: pickle.UnpicklingError) -> bool:
    """Whether a valid pickle asks for too much; text and the like are not pickles."""
    text = str(error)
    return (
        'a checkpoint' in text or '\n\n' in text and 'Unsupported operand' not in text
    )


def _reason(error: Exception) -> str:
    """The reason within PyTorch's advice to load the file unsafely."""
    found = re.search(r'\n\n(.+)', str(error))
    return found[1] if found else _first_line(error)


def _describe(filename: str, error: Exception) -> str:
    """The reason in words, from the file itself where it says more than the error."""
    path = osp.expanduser(filename)
    if osp.isfile(path):
        with open(path, 'rb') as file:
            start = file.read(2)
        if not start:
            return 'the file is empty'
        if start == b'PK' and not zipfile.is_zipfile(path):
            return 'its end is missing'
        if start != b'PK' and not isinstance(error, RuntimeError):
            return 'it is not a file of torch.save'
    return _first_line(error) or type(error).__name__


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = _AROUND.sub('', str(error)).strip().splitlines() or ['']
    return lines[0][:200].rstrip('.')
