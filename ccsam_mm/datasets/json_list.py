# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads and checks the JSON files of iNaturalist's competitions."""

import json
from collections.abc import Sequence
from typing import Any, Union

import numpy as np
from mmengine.fileio import get

from .image_list import ImageList
from .quoting import quote
from .regular_files import check_regular
from .text_list import is_path

MAX_LABEL = np.iinfo(np.int64).max


def read_json_list(file: str) -> ImageList:
    """Read the JSON format of iNaturalist's competitions (that of COCO).

    Args:
        file (str): Path of the JSON file with ``images`` (``id``, ``file_name``),
            ``annotations`` (``image_id``, ``category_id``) and ``categories``
            (``id``, ``name``).

    Returns:
        ImageList: The listed images, in the order of ``images``.
    """
    check_regular(file)
    try:
        content = _parse(get(file))
        images = _map(content, 'images', 'id', 'file_name', _as_path)
        labels = _map(content, 'annotations', 'image_id', 'category_id', _as_label)
        categories = _map(content, 'categories', 'id', 'name', _as_name)
        names = _in_order(categories)
    except ValueError as error:
        raise ValueError(
            f"'{file}' lacks what iNaturalist's JSON files have ({error}): replace "
            'it with the official train2018.json or val2018.json, which have `images`, '
            '`annotations` and `categories` numbered from 0.'
        ) from error
    unlabelled = [i for i, key in enumerate(images) if key not in labels]
    paths = list(images.values())
    if unlabelled:
        raise ValueError(
            f"images[{unlabelled[0]}] of '{file}', {quote(paths[unlabelled[0]])}, has "
            f'no annotation ({len(unlabelled)} such images in all): replace the file '
            'by the official one, or the list of another split.'
        )
    return ImageList(file, paths, [labels[key] for key in images], None, names)


def _parse(text: bytes) -> dict:
    """Parse the file; its outermost part must be an object."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None
    except ValueError as error:  # of JSON or Unicode
        raise ValueError(f'it is not JSON: {quote(str(error))[1:-1]}') from None
    if not isinstance(content, dict):
        raise ValueError(f'it is not an object, but a {type(content).__name__}')
    return content


def _map(content: dict, part: str, key: str, value: str, convert: Any) -> dict:
    """Map the id of each entry of a part to one of its values.

    A repeated id must have the same value; an image's id must not be repeated.
    """
    entries = content.get(part)
    if not isinstance(entries, list):
        raise ValueError(f'`{part}` is {_what(content, part)}, not a list')
    found, first = {}, {}
    for i, entry in enumerate(entries):
        try:
            own = _as_id(_item(entry, key), key)
            said = convert(_item(entry, value), value)
        except ValueError as error:
            raise ValueError(f'{part}[{i}] {error}') from None
        if own in found and (part == 'images' or found[own] != said):
            raise ValueError(
                f'{part}[{i}] gives `{key}` {quote(own)} the `{value}` {quote(said)}, '
                f'after {quote(found[own])} in {part}[{first[own]}]'
            )
        found[own], first[own] = said, first.get(own, i)
    return found


def _item(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict):
        raise ValueError(f'is {quote(entry)}, not an object')
    if key not in entry:
        raise ValueError(f'has no `{key}`')
    return entry[key]


def _what(content: dict, part: str) -> str:
    return quote(content[part]) if part in content else 'missing'


def _as_id(value: Any, key: str) -> Union[int, str]:
    """Accept an integer or a text; True would be equal to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f'has the `{key}` {quote(value)}, not an integer')
    return value


def _as_label(value: Any, key: str) -> int:
    """Refuse values that an array of labels would convert or cannot hold."""
    if type(value) is not int or abs(value) > MAX_LABEL:
        raise ValueError(f'has the `{key}` {quote(value)}, not an integer')
    return value


def _as_path(value: Any, key: str) -> str:
    if isinstance(value, str) and is_path(value):
        try:
            value.encode()
            return value
        except UnicodeEncodeError:  # half of a pair of surrogates
            pass
    raise ValueError(f'has the `{key}` {quote(value)}, not the path of a file')


def _as_name(value: Any, key: str) -> str:
    """Accept a text or a number."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f'has the `{key}` {quote(value)}, not a text')
    return str(value)


def _in_order(categories: dict) -> Sequence[str]:
    """Sort the names by their numbers, which leave no gap."""
    for number in range(len(categories)):
        if number not in categories:
            raise ValueError(f'`categories` have no `id` {number}')
    return [categories[number] for number in range(len(categories))]
