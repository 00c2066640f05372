# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads text files of one entry per line: lists of images, and names of classes."""

import re

from mmengine.fileio import get

from .image_list import ImageList
from .quoting import quote
from .regular_files import check_regular

# Digits of ASCII alone, and no more than int64 holds: int() also reads 0_1 or Arabic.
LABEL = re.compile(r'-?[0-9]{1,18}')
CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f]')
NO_FILES = ('/', '/.', '/..')


def read_text_list(file: str) -> ImageList:
    """Read lines of the form ``relative/path label``.

    Blank lines are skipped. A path may contain spaces.

    Args:
        file (str): Path of the list file.

    Returns:
        ImageList: The listed images.
    """
    paths, labels, numbers = [], [], []
    for number, line in enumerate(_read_lines(file), 1):
        parts = line.rsplit(None, 1)
        if not parts:
            continue
        if len(parts) < 2 or not LABEL.fullmatch(parts[1]) or not is_path(parts[0]):
            raise ValueError(
                f"line {number} of '{file}' is {quote(line)}, but a line must be "
                '`relative/path label` with an integer label: correct the line.'
            )
        paths.append(parts[0].strip())
        labels.append(int(parts[1]))
        numbers.append(number)
    return ImageList(file, paths, labels, numbers)


def read_class_names(file: str) -> list[str]:
    """Read one name per line, without blank lines and surrounding blanks.

    Args:
        file (str): Path of the file.

    Returns:
        list[str]: The names, all different.
    """
    try:
        lines = _read_lines(file)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file '{file}' with the names of the classes: correct "
            '`classes` of the data set.'
        ) from error
    first: dict = {}
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if name and first.setdefault(name, number) != number:
            raise ValueError(
                f"line {number} of '{file}' names the class {quote(name)} again, after "
                f'line {first[name]}: give each class a name of its own.'
            )
    if not first:
        raise ValueError(f"'{file}' names no class: write one name per line.")
    return list(first)


def is_path(path: str) -> bool:
    """Whether a text may be the path of a file.

    Args:
        path (str): The text in a list.

    Returns:
        bool: False for folders, and where there are characters that no path has.
    """
    named = path.strip()
    if not named or named in ('.', '..') or named.endswith(NO_FILES):
        return False
    return not CONTROL.search(path)


def _read_lines(file: str) -> list[str]:
    """Read the lines of a file in UTF-8."""
    check_regular(file)
    try:
        # Editors of Windows may put a byte order mark in front.
        text = get(file).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        cause = f'{error.reason} at byte {error.start}'
        raise ValueError(
            f"'{file}' is not text in UTF-8 ({cause}): save the file in that encoding."
        ) from error
    return text.replace('\r\n', '\n').split('\n')
