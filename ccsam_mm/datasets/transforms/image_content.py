# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks of an encoded image before it is decoded."""

import io
import re
from typing import Optional

import numpy as np
from PIL import Image, ImageOps

# How a format begins and ends: some decoders fill what is missing in silence.
END_MARKERS = {
    b'\xff\xd8\xff': b'\xff\xd9',
    b'\x89PNG\r\n\x1a\n': b'IEND\xaeB`\x82',
}
ZEROS = bytes(64)
# Pillow's own limit for an error: a photo of 108 megapixels passes.
MAX_PIXELS = 2 * 89_478_485


def check_header(content: bytes, max_pixels: Optional[int]) -> str:
    """Refuse an image that would fill the memory; no pixel is decoded.

    Args:
        content (bytes): The file.
        max_pixels (int, optional): The largest number of pixels, or None for any.

    Returns:
        str: Pillow's mode, or '' where Pillow does not know the format.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, pixels = image.mode, image.width * image.height
            if image.format == 'PNG' and mode == 'I':  # of Pillow before 11
                mode = 'I;16'
    except Image.DecompressionBombError as error:
        found = re.search(r'(\d+) pixels', str(error))
        mode, pixels = '', int(found[1]) if found else MAX_PIXELS + 1
    except Exception:  # as parsers raise; decoders may know more formats
        return ''
    if max_pixels is not None and pixels > max_pixels:
        raise ValueError(
            f'{pixels:,} pixels are more than max_pixels={max_pixels:,} of '
            'LoadImageOrSkip'
        )
    return mode


def check_end(content: bytes) -> None:
    """Refuse a JPEG or PNG file that has no end, or zeros in place of one.

    Args:
        content (bytes): The file.
    """
    if content.startswith(b'\xff\xd8\xff'):
        _check_scan(content)
    for begin, end in END_MARKERS.items():
        if content.startswith(begin) and not content.endswith(end):
            # Bytes behind the marker are harmless; Pillow knows.
            with Image.open(io.BytesIO(content)) as image:
                image.load()


def decode_16_bits(content: bytes, color_type: str) -> np.ndarray:
    """Decode a grey image of 16 bits as OpenCV does; MMCV's Pillow would make it white.

    Args:
        content (bytes): The file.
        color_type (str): The flag of :func:`mmcv.imfrombytes`, but not 'unchanged'.

    Returns:
        np.ndarray: The upper eight bits, with shape ``(H, W, 3)`` or ``(H, W)``.
    """
    with Image.open(io.BytesIO(content)) as image:
        if 'ignore_orientation' not in color_type:
            image = ImageOps.exif_transpose(image)
        grey = (np.asarray(image) >> 8).astype(np.uint8)
    return grey if 'grayscale' in color_type else np.repeat(grey[..., None], 3, 2)


def _check_scan(content: bytes) -> None:
    """Refuse a JPEG without an end marker, or with zeros in place of its data."""
    tables, baseline, position = {}, False, 2
    while content[position : position + 1] == b'\xff':
        marker = content[position + 1]
        length = int.from_bytes(content[position + 2 : position + 4], 'big')
        segment = content[position + 4 : position + 2 + length]
        if marker == 0xDA:
            break
        if marker == 0xC4:
            tables.update(_first_symbols(segment))
        baseline = baseline or marker in (0xC0, 0xC1)
        position += 1 if marker == 0xFF else 2 + max(length, 2)
    else:
        return
    # Data have no end marker, but thumbnails before them do.
    whole = content.endswith(b'\xff\xd9')
    end = len(content) if whole else content.find(b'\xff\xd9', position)
    if end < 0:
        raise ValueError('the image is truncated: it has no end marker')
    # The first component's table of AC coefficients. Where its zeros do not mean the
    # end of a block, as they do not in the usual tables, no image has so many of them.
    table = 0x10 | (segment[2] & 15) if len(segment) > 2 else None
    if baseline and tables.get(table, 0) and _has_zeros(content[position:end]):
        raise ValueError('the image is truncated: zeros take the place of its data')


def _has_zeros(data: bytes) -> bool:
    """Whether there is a long run of zeros, by checking every 32nd byte."""
    return b'\0\0\0\0' in data[::32] and ZEROS in data


def _first_symbols(segment: bytes) -> dict:
    """The meaning of zeros in each Huffman table of a segment, by its number."""
    found, position = {}, 0
    while position + 17 < len(segment):
        found[segment[position]] = segment[position + 17]
        position += 17 + sum(segment[position + 1 : position + 17])
    return found
