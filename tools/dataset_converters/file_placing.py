# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Makes links, copies and unpacked archives, which appear when they are complete."""

import lzma
import os
import os.path as osp
import shutil
import sys
import tarfile
import zlib
from functools import partial
from typing import Iterable, Iterator

from archives import ArchiveReader, Item, StrictHeader, open_tar, space_left
from mmengine.utils import ProgressBar

from ccsam_mm.datasets.regular_files import check_regular

# Errors of a damaged compressed archive; that of bz2 is an OSError without a number.
WRONG_BYTES = (zlib.error, lzma.LZMAError)


def link(source: str, target: str) -> None:
    """Make the target a link to a folder.

    Args:
        source (str): The folder.
        target (str): The link.
    """
    try:
        os.symlink(osp.abspath(source), target, target_is_directory=True)
    except OSError as error:
        raise OSError(
            f"'{target}' cannot be made a link ({error.strerror}): copy the images "
            'with --copy.'
        ) from error


def copy(source: str, target: str) -> None:
    """Copy a file or a folder.

    Args:
        source (str): The file or folder.
        target (str): The copy.
    """
    if osp.isdir(source):
        _fill(target, _files(source))
    else:
        shutil.copyfile(source, _unfinished(target))
        os.rename(_unfinished(target), target)


def unpack(archive: str, prefix: str, target: str) -> None:
    """Unpack the contents of an archive below a prefix; inner archives become folders.

    Args:
        archive (str): The tar archive, plain or compressed.
        prefix (str): The folder or file of the archive that becomes the target; ''
            for everything.
        target (str): The folder or file to make.
    """
    check_regular(archive)
    _check_space_of_plain(archive, prefix, target)
    try:
        with open_tar(archive) as tar:
            count = _fill(target, ArchiveReader(archive, tar, prefix).items())
    except (tarfile.TarError, EOFError, OSError, *WRONG_BYTES) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk, not of the archive
        if isinstance(error, (OSError, *WRONG_BYTES)):
            # Files of the right size would be kept, but may have wrong contents.
            _remove(_unfinished(target))
        cause = f'{error}'.split('\n')[0]
        raise ValueError(
            f"'{archive}' is damaged ({cause}): download it again, and compare its md5 "
            'checksum with that of the download page.'
        ) from error
    if not count:
        raise ValueError(
            f"'{archive}' has nothing below '{prefix}', so it is not the official "
            'archive of this name: download it again.'
        )


def track(items: Iterable, total: int = 0) -> Iterator:
    """Go through items with a progress bar that leaves logs readable.

    Args:
        items (Iterable): The items.
        total (int): Their number. Defaults to 0, unknown.

    Yields:
        Any: Each item.
    """
    redraws = 100 if sys.stdout.isatty() else 10
    step = max(total // redraws, 1) if total else 9999
    bar, number = ProgressBar(total), 0
    for number, item in enumerate(items, 1):
        yield item
        if number % step == 0:
            bar.update(step)
    if number % step:
        bar.update(number % step)
    print(flush=True)


def _fill(target: str, items: Iterable[Item]) -> int:
    """Write files beside the target, then rename them; return their number.

    After an interruption, files of full size are not written again.
    """
    unfinished, count = _unfinished(target), 0
    for name, size, open_source in track(items):
        path = osp.join(unfinished, name) if name else unfinished
        count += 1
        if osp.exists(path) and osp.getsize(path) == size:
            continue
        if size > space_left(osp.dirname(unfinished)):
            raise _no_space(target, size)
        try:
            os.makedirs(osp.dirname(path) or '.', exist_ok=True)
            file = open(path, 'wb')  # noqa: SIM115  (closed below)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise ValueError(
                f"'{name}' would be both a file and a folder of '{target}': get its "
                'archive from its official place.'
            ) from None
        with file, open_source() as source:
            shutil.copyfileobj(source, file)
    if count:
        os.rename(unfinished, target)
    return count


def _check_space_of_plain(archive: str, prefix: str, target: str) -> None:
    """Refuse an uncompressed archive that does not fit on the disk, before unpacking.

    The sizes in a compressed one are known only while it is unpacked.
    """
    unfinished = _unfinished(target)
    room = space_left(osp.dirname(target))
    if room >= osp.getsize(archive):
        return
    try:
        with tarfile.open(archive, 'r:', tarinfo=StrictHeader) as tar:
            needed = ArchiveReader(archive, tar, prefix).needed_space()
    except tarfile.TarError:
        return  # compressed, or damaged, which unpacking reports
    there = sum(size for _, size, _ in _files(unfinished))
    if needed - there > room:
        raise _no_space(target, needed - there)


def _no_space(target: str, size: int) -> ValueError:
    return ValueError(
        f"'{target}' needs {size / 1e9:,.1f} GB more, but its disk has only "
        f'{space_left(osp.dirname(target)) / 1e9:,.1f} GB free: make room, or choose '
        'another disk by --out; the files that are already unpacked are kept.'
    )


def _unfinished(target: str) -> str:
    """The name of a target that is not complete."""
    return osp.join(osp.dirname(target), f'.{osp.basename(target)}.partial')


def _files(source: str) -> Iterator[Item]:
    """The files of a folder."""
    for folder, _, names in os.walk(source, followlinks=True):
        above = osp.realpath(osp.dirname(folder))
        if osp.islink(folder) and f'{above}/'.startswith(f'{osp.realpath(folder)}/'):
            raise ValueError(
                f"'{folder}' is a link to a folder that contains it: remove the link."
            )
        for name in names:
            path = osp.join(folder, name)
            check_regular(path)
            size = osp.getsize(path)
            yield osp.relpath(path, source), size, partial(open, path, 'rb')


def _remove(path: str) -> None:
    """Remove a file or a folder, if it is there."""
    if osp.isdir(path):
        shutil.rmtree(path)
    elif osp.exists(path):
        os.remove(path)
