# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A sheet of images from the head, the middle and the tail of a data set."""

from pathlib import Path
from typing import List, Optional, Sequence

import mmcv
import numpy as np
from torch.utils.data import Dataset

from ccsam_mm.datasets.class_counts import class_names, get_gt_labels
from ccsam_mm.evaluation import shot_groups

from .class_distribution import GROUP_COLORS

# Pixels of an image on the sheet, and of the white lines between images.
CELL, GAP = 96, 4
# Pixels for the names of the classes and for the title.
LEFT, TOP = 200, 40


def sheet_classes(
    class_counts: Sequence[int],
    available: Sequence[int],
    per_group: int = 4,
    shot_rule: str = 'strict',
) -> List[int]:
    """Choose classes for a sheet: evenly spaced ones from each shot group.

    Args:
        class_counts (Sequence[int]): Training images of each class.
        available (Sequence[int]): The classes that have an image to show.
        per_group (int): The number of classes of a group. Defaults to 4.
        shot_rule (str): The bounds of the groups. Defaults to 'strict'.

    Returns:
        list[int]: The classes, from most to fewest training images; the largest and the
        smallest class of each group are among them.

    Examples:
        >>> from ccsam_mm.analysis.image_sheet import sheet_classes
        >>> sheet_classes([500, 60, 4, 400, 3, 300], range(6), per_group=2)
        [0, 5, 1, 2, 4]
    """
    counts = np.asarray(class_counts)
    order = np.argsort(-counts, kind='stable')
    order = order[np.isin(order, available)]
    chosen = []
    for members in shot_groups(counts, shot_rule).values():
        chosen += _evenly(order[members[order]], per_group)
    return chosen


def draw_image_sheet(
    dataset: Dataset,
    class_counts: Sequence[int],
    path: str,
    columns: int = 8,
    per_group: int = 4,
    shot_rule: str = 'strict',
    to_rgb: bool = True,
    title: str = '',
) -> None:
    """Draw images of some classes of each shot group, as a network receives them.

    The images have passed the data set's pipeline (crops, flips), yet not the
    normalisation of the data preprocessor.

    Args:
        dataset (Dataset): A data set whose pipeline ends with ``PackInputs``.
        class_counts (Sequence[int]): Training images of each class.
        path (str): The picture to write.
        columns (int): The number of images of a class. Defaults to 8.
        per_group (int): The number of classes of a group. Defaults to 4.
        shot_rule (str): The bounds of the groups. Defaults to 'strict'.
        to_rgb (bool): Whether the data set gives blue first, like the option of this
            name of the data preprocessor. Defaults to True.
        title (str): The title of the picture. Defaults to ''.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = get_gt_labels(dataset)
    names = class_names(dataset) or [str(c) for c in range(len(class_counts))]
    classes = sheet_classes(class_counts, np.unique(labels), per_group, shot_rule)
    if not classes:
        raise ValueError(
            f'{type(dataset).__name__} has no image of a known class to show: choose '
            'another split.'
        )
    step = CELL + GAP
    sheet = np.full((len(classes) * step, columns * step, 3), 255, dtype=np.uint8)
    for row, c in enumerate(classes):
        for column, index in enumerate(_evenly(np.flatnonzero(labels == c), columns)):
            top, left = row * step, column * step
            image = _thumbnail(dataset[index], to_rgb)
            sheet[top : top + CELL, left : left + CELL] = image

    # A pixel of the sheet is a pixel of the picture.
    height, width = sheet.shape[0] + TOP, sheet.shape[1] + LEFT
    figure = Figure(figsize=(width / 100, height / 100))
    FigureCanvasAgg(figure)
    extent = (LEFT / width, 0, 1 - LEFT / width, 1 - TOP / height)
    axes = figure.add_axes(extent)
    axes.imshow(sheet, interpolation='nearest')
    texts = [f'{str(names[c])[:24]}\n{class_counts[c]:,} images' for c in classes]
    axes.set_yticks([row * step + CELL / 2 for row in range(len(classes))], texts)
    groups = shot_groups(class_counts, shot_rule)
    for c, text in zip(classes, axes.get_yticklabels()):
        text.set_color(next(GROUP_COLORS[g] for g, own in groups.items() if own[c]))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.text(0.5, 1 - TOP / 2 / height, title, ha='center', va='center')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _evenly(items: np.ndarray, number: int) -> List[int]:
    """Take up to a number of items, the first and the last among them."""
    positions = np.linspace(0, len(items) - 1, min(number, len(items)))
    return items[positions.round().astype(int)].tolist()


def _thumbnail(item: Optional[dict], to_rgb: bool) -> np.ndarray:
    """Bring a packed image to ``(CELL, CELL, 3)`` of 0..255, red first."""
    image = item.get('inputs') if isinstance(item, dict) else None
    if getattr(image, 'ndim', None) != 3 or image.shape[0] not in (1, 3):
        raise TypeError(
            'The sheet shows packed images of 1 or 3 channels, but an item of the data '
            f'set is {_describe(item)}: let its `pipeline` end with '
            "`dict(type='PackInputs')`."
        )
    image = image.permute(1, 2, 0).numpy()
    if image.dtype != np.uint8:
        # Normalised in the pipeline: stretch the remaining contrast.
        low, high = float(image.min()), float(image.max())
        image = (255 * (image - low) / max(high - low, 1e-12)).astype(np.uint8)
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    elif to_rgb:
        image = image[..., ::-1]
    rescaled = mmcv.imrescale(np.ascontiguousarray(image), (CELL, CELL))
    height, width = rescaled.shape[:2]
    cell = np.full((CELL, CELL, 3), 255, dtype=np.uint8)
    top, left = (CELL - height) // 2, (CELL - width) // 2
    cell[top : top + height, left : left + width] = rescaled
    return cell


def _describe(item) -> str:
    if not isinstance(item, dict):
        return f'of the type {type(item).__name__}'
    shape = getattr(item.get('inputs'), 'shape', None)
    return f'a dict with {", ".join(item)}' + (
        f' of shape {tuple(shape)}' if shape else ''
    )
