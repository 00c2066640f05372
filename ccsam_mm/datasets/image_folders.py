# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Where the images of a list lie on this machine."""

import os
import os.path as osp
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
) -> list[str]:
    """Find the images of a list, folder by folder.

    Args:
        root (str): The folder below which the images lie.
        paths (Sequence[str]): The paths as a list writes them.
        keys (Sequence[int]): What else the folder of an image depends on: its label.
        candidates (Callable): Gives for a folder of the list and a key the folders
            below ``root`` that may hold the images, the likeliest first. Without any
            of them, the folder of the list is taken.

    Returns:
        list[str]: The paths of the images, with ``root``.
    """
    known, located = {}, []
    for path, key in zip(paths, keys):
        folder, _, name = path.rpartition('/')
        place = known.get((folder, key))
        if place is None:
            places = [*candidates(_without_dots(folder), key), _without_dots(folder)]
            place = known[folder, key] = _existing(root, places)
        located.append(place + name)
    return located


def missing_files(paths: Sequence[str]) -> list[int]:
    """Find the paths without a file; each folder is read once.

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


def _existing(root: str, folders: Sequence[str]) -> str:
    """The first folder that exists or else the last, ready for a file's name."""
    places = [osp.join(root, folder) if folder else root for folder in folders]
    exist = (place for place in places if is_local(root) and osp.isdir(place or '.'))
    place = next(exist, places[-1])
    return f'{place}/' if place and not place.endswith('/') else place


def _without_dots(folder: str) -> str:
    """Write a folder in one way, so that paths can be compared."""
    parts = [part for part in folder.split('/') if part not in ('', '.')]
    return '/'.join(['', *parts] if folder.startswith('/') else parts)


def _names(folder: str) -> set[str]:
    try:
        with os.scandir(folder or '.') as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()
