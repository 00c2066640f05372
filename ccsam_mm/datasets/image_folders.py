# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Locates the images of a list on this machine."""

import os
import os.path as osp
import posixpath
from collections.abc import Sequence
from typing import Callable, Optional


def is_local(path: str) -> bool:
    """Whether MMEngine reads a path from a local disk.

    Args:
        path (str): A path, or an address such as ``s3://bucket/path``.

    Returns:
        bool: False for an address.
    """
    return '://' not in path


def locate(
    root: str,
    paths: Sequence[str],
    keys: Sequence[int],
    candidates: Callable[[str, int], Sequence[str]],
    outside_root: bool = False,
) -> list[str]:
    """Find the images of a list, folder by folder.

    Args:
        root (str): The folder below which the images lie.
        paths (Sequence[str]): The paths as a list writes them.
        keys (Sequence[int]): The labels, on which the folder of an image also depends.
        candidates (Callable): Gives for a folder of the list and a key the folders
            below ``root`` that may hold the images, the most likely first. Without any
            of them, the folder of the list is taken.
        outside_root (bool): Whether folders outside of ``root`` are as good as those
            below it. Defaults to False, which takes them where nothing else is there.

    Returns:
        list[str]: The paths of the images, with ``root``.
    """
    known, located = {}, []
    for path, key in zip(paths, keys):
        folder, _, name = path.rpartition('/')
        place = known.get((folder, key))
        if place is None:
            plain = _plain(folder)
            places = [*candidates(plain, key), plain]
            if not outside_root:
                places.sort(key=lambda place: not is_inside(root, place))
            place = known[folder, key] = _existing(root, places)
        located.append(place + name)
    return located


def missing_files(paths: Sequence[str]) -> list[int]:
    """Find the paths without a regular file; each folder is read once.

    Args:
        paths (Sequence[str]): Paths of files.

    Returns:
        list[int]: Indices of the missing ones.
    """
    names, missing = {}, []
    for i, path in enumerate(paths):
        folder, _, name = path.rpartition('/')
        found = names.get(folder)
        if found is None:
            found = names[folder] = _names(folder)
        if name not in found:
            missing.append(i)
    return missing


def after(folder: str, anchors: Sequence[str]) -> Optional[tuple[str, list[str]]]:
    """Split a folder at the last of its parts that has a known name.

    Args:
        folder (str): The folder, with any prefix.
        anchors (Sequence[str]): The known names.

    Returns:
        tuple[str, list[str]] | None: That name and the parts behind it, or None.

    Examples:
        >>> from ccsam_mm.datasets.image_folders import after
        >>> after('/home/me/train/n01440764', ('train', 'val'))
        ('train', ['n01440764'])
    """
    parts = [part for part in folder.split('/') if part not in ('', '.')]
    for i in range(len(parts) - 1, -1, -1):
        if parts[i] in anchors:
            return parts[i], parts[i + 1 :]
    return None


def is_inside(root: str, path: str) -> bool:
    """Whether a path lies below a folder, as it is written or with links resolved.

    Args:
        root (str): The folder; nothing is outside of ''.
        path (str): The path, relative to the folder or absolute.

    Returns:
        bool: Whether it does. A link below the folder may lead anywhere.

    Examples:
        >>> from ccsam_mm.datasets.image_folders import is_inside
        >>> is_inside('data', 'train/../a.jpg'), is_inside('data', '../a.jpg')
        (True, False)
    """
    if not root:
        return True
    plain = _plain(path)
    if not plain.startswith('/'):
        return plain.split('/')[0] != '..'
    return is_local(root) and any(
        f'{absolute(plain)}/'.startswith(f'{absolute(root).rstrip("/")}/')
        for absolute in (osp.abspath, osp.realpath)
    )


def first_outside(root: str, paths: Sequence[str]) -> Optional[int]:
    """Find a path that is not below a folder.

    Args:
        root (str): The folder.
        paths (Sequence[str]): The result of :func:`locate` for it.

    Returns:
        int | None: The index of the first one, or None.
    """
    known: dict = {}
    start = root if not root or root.endswith('/') else f'{root}/'
    for i, path in enumerate(paths):
        folder = path.rpartition('/')[0]
        if folder not in known:
            is_below = path.startswith(start)
            below = folder[len(start) :] if is_below else folder
            known[folder] = is_inside(root, below)
        if not known[folder]:
            return i
    return None


def _existing(root: str, folders: Sequence[str]) -> str:
    """The first folder that exists or else the last inside, ready for a file's name."""
    places = [osp.join(root, folder) if folder else root for folder in folders]
    exist = (place for place in places if is_local(root) and osp.isdir(place or '.'))
    inside = [place for place, f in zip(places, folders) if is_inside(root, f)]
    place = next(exist, (inside or places)[-1])
    return f'{place}/' if place and not place.endswith('/') else place


def _plain(folder: str) -> str:
    """Write a folder in one way, so that paths can be compared."""
    plain = posixpath.normpath(folder)
    if plain.startswith('/'):
        return '/' + plain.lstrip('/')
    return '' if plain == '.' else plain


def _names(folder: str) -> set[str]:
    """The regular files of a folder, and the links to some."""
    try:
        with os.scandir(folder or '.') as entries:
            return {entry.name for entry in entries if _is_file(entry)}
    except OSError:
        return set()


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # such as a link to itself
        return False
