# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Where downloads have the lists of OLTR (CVPR 2019), and what comes with them."""

from typing import Tuple

from converter_utils import Part

# The lists of OLTR, and where they lie in what people download or clone.
OLTR = (
    'https://drive.google.com/drive/folders/1j7Nkfe6ZhzKFXePHdsseeeGI877Xu1yf (OLTR, '
    'https://github.com/zhmiao/OpenLongTailRecognition-OLTR)'
)
LIST_FOLDERS = ('', 'data/', 'data_txt/')


def list_places(name: str, *folders: str) -> Tuple[str, ...]:
    """Name the places where a list, or what comes with it, may lie.

    Args:
        name (str): Its name.
        *folders (str): What repositories call the folder of the benchmark.

    Returns:
        tuple[str, ...]: Paths below a download folder.
    """
    below = [f'{top}{folder}/{name}' for top in LIST_FOLDERS for folder in folders]
    return (name, *below)


def oltr_parts(stem: str, *folders: str) -> Tuple[Part, ...]:
    """Name what OLTR adds to a benchmark: its lists, and images of unknown classes.

    Args:
        stem (str): What the names of its files begin with.
        *folders (str): What repositories call the folder of the benchmark.

    Returns:
        tuple[Part, ...]: The parts.
    """

    def part(what, name, split=''):
        return Part(what, {name: list_places(name, *folders)}, OLTR, split)

    return (
        part('images of unknown classes', f'{stem}_open', 'open'),
        part('lists of training images', f'{stem}_train.txt'),
        part('lists of validation images', f'{stem}_val.txt'),
        part('lists of test images', f'{stem}_test.txt'),
        part('lists of unknown images', f'{stem}_open.txt', 'open'),
    )
