# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What the pictures of landscapes have in common."""

from pathlib import Path
from typing import Union

import numpy as np
from PIL import Image

from ccsam_mm.utils.files import whole_file

# Suffixes that Matplotlib writes without further software.
SUFFIXES = ('.png', '.svg', '.pdf')
TITLES = dict(
    all='all images',
    class_mean='mean of the classes',
    many='many-shot classes',
    medium='medium-shot classes',
    few='few-shot classes',
)
# Told apart in grey printing, too: colours differ in lightness, lines in their dashes.
COLORS = ('#0b3c8c', '#d1495b', '#2a9d5c', '#e3a72f', '#6f4a8e', '#555555')
DASHES = ('-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ('o', 's', '^', 'D', 'v', 'P')


def new_figure(width: float, height: float):
    """Make a figure that needs no display and leaves no global state.

    Args:
        width (float): In inches.
        height (float): In inches.

    Returns:
        matplotlib.figure.Figure: The figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure, path: Union[str, Path]) -> None:
    """Write a picture completely or not at all.

    Args:
        figure (matplotlib.figure.Figure): The picture.
        path (str | Path): The file, whose suffix is the format.
    """
    kind = Path(path).suffix[1:]
    with whole_file(path) as new:
        if kind == 'png':
            # 256 colours are enough, and make the file a third as large.
            figure.canvas.draw()
            pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba()))
            pixels.convert('RGB').quantize().save(new, 'png', optimize=True)
        else:
            figure.savefig(new, format=kind)
