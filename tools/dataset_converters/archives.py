# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads tar archives of unknown origin, and refuses hostile ones early."""

import os
import os.path as osp
import tarfile
from functools import partial
from typing import BinaryIO, Callable, Iterator, Optional, Tuple

# Path below the target ('' for the target itself), size, and how to open it.
Item = Tuple[str, int, Callable[[], BinaryIO]]

MAX_DEPTH = 2  # ILSVRC2012's archive contains archives, which contain none
MAX_PARTS = 32
MAX_NAME = 1000
MAX_HEADER = 1 << 20
# Images hardly compress at all, JSON compresses to a tenth.
MAX_RATIO = 200
ALLOWANCE = 64 << 20
HEADERS_WITH_DATA = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class StrictHeader(tarfile.TarInfo):
    """A header that is an error if it is wrong, not the end of the archive."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        """Read a header; a negative size would make an endless loop."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0:
            raise tarfile.ReadError('a header has a negative size')
        if header.type in HEADERS_WITH_DATA and header.size > MAX_HEADER:
            raise tarfile.ReadError(f'a header has {header.size:,} bytes')
        return header

    @classmethod
    def fromtarfile(cls, tar):
        """Read a header; a wrong one would count as the end of the archive."""
        try:
            return super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:
            raise tarfile.ReadError(str(error)) from error
        except (RecursionError, ValueError, ArithmeticError, LookupError) as error:
            cause = 'headers of headers' if isinstance(error, RecursionError) else error
            raise tarfile.ReadError(f'a header is wrong: {cause}') from None


class ArchiveReader:
    """Reads the files of an archive below a prefix; inner archives become folders.

    Args:
        path (str): The archive, for messages and for its size.
        tar (TarFile): The opened archive.
        prefix (str): The folder or file of the archive that is read.
    """

    def __init__(self, path: str, tar: tarfile.TarFile, prefix: str) -> None:
        self.path, self.tar, self.prefix = path, tar, prefix
        self.limit = MAX_RATIO * osp.getsize(path) + ALLOWANCE
        self.unpacked = 0
        self.left_out, self.first_left_out = 0, ''

    def items(self) -> Iterator[Item]:
        """Read the files, and finally the checksum, if there is one.

        Yields:
            tuple[str, int, Callable]: Path, size and how to open a file.
        """
        yield from self._items(self.tar, self.prefix, 0)
        # Reading stops before the checksum, which follows the padding.
        while self.tar.fileobj.read(1 << 20):
            self._count(1 << 20)
        if self.left_out:
            print(
                f"left out {self.left_out} links or devices of '{self.path}', the "
                f'first of them {self.first_left_out}'
            )

    def needed_space(self) -> int:
        """Add up the sizes of the files of an uncompressed archive, which is fast.

        Returns:
            int: The number of bytes.
        """
        files = self._items(self.tar, self.prefix, depth=None)
        return sum(size for _, size, _ in files)

    def _items(
        self, tar: tarfile.TarFile, prefix: str, depth: Optional[int]
    ) -> Iterator[Item]:
        """Read the files at a depth of inner archives; None does not open these."""
        for member in _members(tar):
            self._count(512 + member.size)
            name = self._check(member)
            below = osp.relpath(name, prefix or '.')
            if member.isdir() or below.split('/')[0] == '..':
                continue
            if not member.isfile():
                self.first_left_out = self.first_left_out or _shown(member.name)
                self.left_out += 1
                continue
            if name.endswith('.tar') and depth is not None:
                self._check_depth(member, depth)
                with tar.extractfile(member) as file, open_tar(file) as inner:
                    for inside, size, open_source in self._items(inner, '', depth + 1):
                        yield osp.join(below[:-4], inside), size, open_source
                continue
            below = '' if below == '.' else below
            yield below, member.size, partial(tar.extractfile, member)

    def _check_depth(self, member: tarfile.TarInfo, depth: int) -> None:
        if depth == MAX_DEPTH:
            raise ValueError(
                f"'{self.path}' has archives inside archives inside archives, "
                f'such as {_shown(member.name)}: get it from its official place.'
            )

    def _count(self, size: int) -> None:
        """Refuse an archive bomb before it is unpacked."""
        self.unpacked += size
        if self.unpacked > self.limit:
            raise ValueError(
                f"'{self.path}' unpacks to more than {MAX_RATIO} times its size, which "
                'no archive of images does: get it from its official place.'
            )

    def _check(self, member: tarfile.TarInfo) -> str:
        """Refuse names that no file of a benchmark has; return the plain name."""
        name = osp.normpath(member.name)
        parts = name.split('/')
        cause = ''
        if osp.isabs(name) or parts[0] == '..':
            cause = 'outside of its folder'
        elif '\0' in name or len(name) > MAX_NAME or len(parts) > MAX_PARTS:
            cause = 'a name that is too long, too deep or invalid'
        elif member.issparse():
            cause = 'a file with holes'
        if cause:
            raise ValueError(
                f"'{self.path}' has the member {_shown(member.name)}, {cause}: do not "
                'use it, and get the archive from its official place.'
            )
        return name


def open_tar(source) -> tarfile.TarFile:
    """Open an archive.

    Args:
        source (str | BinaryIO): Its path, or a file of another archive.

    Returns:
        TarFile: The archive, which reads headers strictly.
    """
    place = dict(name=source) if isinstance(source, str) else dict(fileobj=source)
    return tarfile.open(**place, tarinfo=StrictHeader)


def space_left(folder: str) -> int:
    """Free space, in bytes, on the disk of a folder that may not exist yet.

    Args:
        folder (str): The folder.

    Returns:
        int: The number of bytes that can be written there.
    """
    folder = osp.abspath(folder)
    while not osp.isdir(folder):
        folder = osp.dirname(folder)
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members one by one."""
    while True:
        member = tar.next()
        if member is None:
            return
        # Millions of members would fill the memory.
        tar.members = []
        yield member


def _shown(name: str) -> str:
    """A name for messages, cut if it is long."""
    return repr(name if len(name) <= 80 else f'{name[:40]}...{name[-37:]}')
