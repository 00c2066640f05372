# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Links, copies and unpacked archives that appear when they are complete."""

import gzip
import os
import os.path as osp
import shutil
import sys
import tarfile
import zlib
from functools import partial
from typing import BinaryIO, Callable, Iterable, Iterator, Tuple

from mmengine.utils import ProgressBar

# Path below the target ('' for the target itself), size, and how to open it.
Item = Tuple[str, int, Callable[[], BinaryIO]]


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
            f"'{target}' can not be made a link ({error.strerror}): copy the images "
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
    """Unpack what an archive has below a prefix; archives inside become folders.

    Args:
        archive (str): The tar archive, plain or compressed.
        prefix (str): The folder or file of the archive that becomes the target; ''
            for everything.
        target (str): The folder or file to make.
    """
    try:
        with tarfile.open(archive) as tar:
            count = _fill(target, _checked_members(tar, prefix))
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        if isinstance(error, (zlib.error, gzip.BadGzipFile)):
            # Files of the right size, which would be kept, may have wrong contents.
            _remove(_unfinished(target))
        cause = f'{error}'.split('\n')[0]
        raise ValueError(
            f"'{archive}' is damaged ({cause}): download it again, and compare its md5 "
            'sum with that of the download page.'
        ) from error
    if not count:
        raise ValueError(
            f"'{archive}' has nothing below '{prefix}': it is another archive than the "
            'one of this name; download it again.'
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
    """Write files beside the target, then give them its name; return their number.

    After an interruption, files of full size are not written again.
    """
    unfinished, count = _unfinished(target), 0
    for name, size, open_source in track(items):
        path = osp.join(unfinished, name) if name else unfinished
        count += 1
        if osp.exists(path) and osp.getsize(path) == size:
            continue
        os.makedirs(osp.dirname(path) or '.', exist_ok=True)
        with open_source() as source, open(path, 'wb') as file:
            shutil.copyfileobj(source, file)
    if count:
        os.rename(unfinished, target)
    return count


def _unfinished(target: str) -> str:
    """The name of a target that is not complete."""
    return osp.join(osp.dirname(target), f'.{osp.basename(target)}.partial')


def _files(source: str) -> Iterator[Item]:
    """The files of a folder."""
    for folder, _, names in os.walk(source, followlinks=True):
        for name in names:
            path = osp.join(folder, name)
            size = osp.getsize(path)
            yield osp.relpath(path, source), size, partial(open, path, 'rb')


def _remove(path: str) -> None:
    """Remove a file or a folder, if it is there."""
    if osp.isdir(path):
        shutil.rmtree(path)
    elif osp.exists(path):
        os.remove(path)


def _checked_members(tar: tarfile.TarFile, prefix: str) -> Iterator[Item]:
    """The files of an archive; at the end its check sum, if it is compressed."""
    yield from _members(tar, prefix)
    # Reading stops before the check sum, which follows the padding.
    while tar.fileobj.read(1 << 20):
        pass


def _members(tar: tarfile.TarFile, prefix: str) -> Iterator[Item]:
    """The files of an archive below a prefix."""
    while True:
        member = tar.next()
        if member is None:
            return
        # Millions of members would fill the memory.
        tar.members = []
        name = osp.normpath(member.name)
        if osp.isabs(name) or name.split('/')[0] == '..':
            raise ValueError(
                f"'{tar.name}' has the member '{member.name}', outside of its folder: "
                'do not use it, and get the archive from its official place.'
            )
        below = osp.relpath(name, prefix or '.')
        if not member.isfile() or below.split('/')[0] == '..':
            continue
        if name.endswith('.tar'):
            with tar.extractfile(member) as file, tarfile.open(fileobj=file) as inner:
                for inside, size, open_source in _members(inner, ''):
                    yield osp.join(below[: -len('.tar')], inside), size, open_source
            continue
        below = '' if below == '.' else below
        yield below, member.size, partial(tar.extractfile, member)
