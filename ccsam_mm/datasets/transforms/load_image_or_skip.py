# Copyright (c) ccsam_mm contributors. All rights reserved.
import logging
from typing import Optional

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.fileio import get
from mmengine.logging import print_log
from mmpretrain.registry import TRANSFORMS

from ccsam_mm.datasets.regular_files import kind_of_file

from .distinct_files import DistinctFiles
from .image_content import MAX_PIXELS, check_end, check_header, decode_16_bits


@TRANSFORMS.register_module()
class LoadImageOrSkip(LoadImageFromFile):
    """Load an image; skip an unreadable one with a warning, up to a limit.

    A corrupt or truncated image gives None, for which data sets take another image
    in training. There is one warning for each file, with the number of files so far
    in this process and its workers, over all epochs; one file more than
    ``max_unreadable`` stops the training. With 0 the first one stops, which is right
    for tests. A file that does not exist or cannot be fetched always stops: that is
    an error of the list or of the storage.

    A JPEG file is unreadable without an end marker, or where zeros take the place of
    its data, and a PNG file without an end marker is verified with Pillow, because
    OpenCV 4 makes an image of a truncated file. Other damage in the middle of a JPEG
    cannot be told from content, nor can zeros in a progressive one.

    Images of more than ``max_pixels`` are unreadable, before any memory is taken for
    them. So are those of 32 bits or floats per pixel, which have no defined
    range; 16 bits are reduced to the upper eight. Named pipes and devices always stop.

    An image that is in memory passes as it is, so that the inferencers of
    MMPretrain, which load images themselves, work with the same pipeline.

    Required Keys:

    - img_path (or img)

    Modified Keys:

    - img
    - img_shape
    - ori_shape

    Args:
        max_unreadable (int): How many different unreadable files are skipped.
            Defaults to 100.
        max_pixels (int, optional): The largest number of pixels of an image. Defaults
            to 178,956,970, Pillow's own limit; None is none.
        to_float32 (bool): Whether to convert the image to float32. Defaults to False.
        color_type (str): The flag of :func:`mmcv.imfrombytes`. Defaults to 'color'.
        imdecode_backend (str): The decoder of :func:`mmcv.imfrombytes`. Defaults to
            'cv2'.
        backend_args (dict, optional): The arguments of MMEngine's file backend.
            Defaults to None.

    Examples:
        >>> from ccsam_mm.datasets import LoadImageOrSkip
        >>> load = LoadImageOrSkip(max_unreadable=0)
        >>> load(dict(img_path='no such.jpg'))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        FileNotFoundError: There is no image 'no such.jpg': correct the list or ...
    """

    def __init__(
        self,
        max_unreadable: int = 100,
        to_float32: bool = False,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        backend_args: Optional[dict] = None,
        max_pixels: Optional[int] = MAX_PIXELS,
    ) -> None:
        super().__init__(
            to_float32=to_float32,
            color_type=color_type,
            imdecode_backend=imdecode_backend,
            backend_args=backend_args,
        )
        _check_decoder(imdecode_backend)
        if max_pixels is not None and max_pixels < 1:
            raise ValueError(
                f'LoadImageOrSkip got max_pixels={max_pixels}: set it to 1 or more, or '
                'to None.'
            )
        self.max_unreadable = max_unreadable
        self.max_pixels = max_pixels
        self._unreadable = DistinctFiles()

    def transform(self, results: dict) -> Optional[dict]:
        """Load the image.

        Args:
            results (dict): Result dict of the data set.

        Returns:
            dict | None: The dict with the image, or None if it is unreadable.
        """
        if 'img' in results:
            return results
        path = results['img_path']
        content = self._fetch(path)
        try:
            image = self._decode(content)
        except ImportError:  # the decoder is missing, not the image broken
            raise
        except Exception as error:  # decoders pass on the errors of their parsers
            self._count(path, error)
            return None
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _fetch(self, path: str) -> bytes:
        """Get the bytes; errors here do not make the image unreadable."""
        kind = kind_of_file(path)
        if kind is not None:
            raise OSError(
                f"The image '{path}' is {kind}, not a regular file: correct the list "
                'or `data_root` of the data set.'
            )
        try:
            return get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"There is no image '{path}': correct the list or `data_root` of the "
                'data set.'
            ) from error
        except Exception as error:  # of any client of a storage backend
            raise OSError(
                f"The image '{path}' could not be fetched ({type(error).__name__}: "
                f'{error}): check permissions, connection and `backend_args`.'
            ) from error

    def _decode(self, content: bytes) -> np.ndarray:
        """Decode an image, and raise an error if it is not whole."""
        if not content:
            raise ValueError('the file is empty')
        mode = check_header(content, self.max_pixels)
        check_end(content)
        backend = self.imdecode_backend or mmcv.image.io.imread_backend
        if self.color_type != 'unchanged' and backend in ('cv2', 'pillow'):
            if mode in ('I', 'F'):
                what = 'floats' if mode == 'F' else '32 bits'
                raise ValueError(
                    f'pixels of {what} have no range: convert the image to 8 or 16 bits'
                )
            if backend == 'pillow' and mode.startswith('I;16'):
                return decode_16_bits(content, self.color_type)
        image = mmcv.imfrombytes(
            content, flag=self.color_type, backend=self.imdecode_backend
        )
        if image is None:
            raise ValueError('no known image format')
        return image

    def _count(self, path: str, error: Exception) -> None:
        """Warn of an unreadable file, and stop when there are too many."""
        cause = f'{error}'.strip() or type(error).__name__
        is_new = self._unreadable.add(path)
        if len(self._unreadable) > self.max_unreadable:
            allowed = f'only {self.max_unreadable}' if self.max_unreadable else 'none'
            raise RuntimeError(
                f"The image '{path}' is unreadable ({cause}), and {allowed} may be: "
                "list all such files with `--verify` of the data set's tool in "
                'tools/dataset_converters and replace them, or raise `max_unreadable` '
                'of LoadImageOrSkip.'
            ) from error
        if is_new:
            print_log(
                f"Skipped the unreadable image '{path}' ({cause}), number "
                f'{len(self._unreadable)} of at most {self.max_unreadable}.',
                logger='current',
                level=logging.WARNING,
            )

    def __repr__(self) -> str:
        """Print the arguments.

        Returns:
            str: Formatted string.
        """
        inner = super().__repr__().split('(', 1)[1]
        return f'{type(self).__name__}(max_unreadable={self.max_unreadable}, {inner}'


def _check_decoder(name: Optional[str]) -> None:
    """Refuse a decoder that is not installed: it would find every image unreadable."""
    default = mmcv.image.io.imread_backend
    try:
        mmcv.use_backend(name or default)
    except (ImportError, AssertionError) as error:
        cause = str(error) or 'MMCV has none of that name'
        raise ImportError(
            f"LoadImageOrSkip cannot use imdecode_backend='{name}' ({cause}): install "
            "it, or set `imdecode_backend` to 'cv2' or 'pillow'."
        ) from error
    finally:
        mmcv.use_backend(default)
