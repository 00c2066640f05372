# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Stand-ins for the few functions that a checkpoint or a CIFAR batch may call.

Since 2.6, ``torch.load`` accepts only weights; MMEngine's checkpoints hold its log
history, too. See https://github.com/open-mmlab/mmengine/issues/1655.
"""

import pickle
import re

import numpy as np
from mmengine.logging import HistoryBuffer

# Numbers, booleans and strings; no objects, no structures.
_PLAIN_DTYPE = re.compile(r'[<>=|]?[biufcU]\d+')


class _SavedDtype:
    """Stands in for ``numpy.dtype`` while a checkpoint is read.

    NumPy's own class takes fields, flags and item sizes on trust; crafted ones make it
    follow pointers from the file. So nothing but name and byte order is read.

    Args:
        name (str): Type character and size, like ``f8``.
    """

    def __init__(self, name, *_):
        self.str = str(name)

    def __setstate__(self, state):
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError('a checkpoint may hold plain arrays only')
        self.str = str(state[1]) + self.str


def _plain_dtype(dtype):
    """A fresh NumPy dtype, if it is one of numbers, booleans or strings."""
    if not _PLAIN_DTYPE.fullmatch(dtype.str):
        raise pickle.UnpicklingError(
            f'a checkpoint may hold plain arrays only, not {dtype.str!r}'
        )
    return np.dtype(dtype.str)


class _SavedArray(np.ndarray):
    """Stands in for ``numpy.ndarray`` while a checkpoint is read.

    The array is made from a checked dtype and a buffer of the right size. Results of
    computations and pickles are ordinary arrays and scalars again.
    """

    def __new__(cls):
        return super().__new__(cls, 0)

    def __setstate__(self, state):
        _, shape, dtype, fortran, raw = state
        dtype = _plain_dtype(dtype)
        # NumPy compares the buffer's size with shape and dtype, which are sound here.
        if min(shape, default=0) < 0:
            raise pickle.UnpicklingError(f'a checkpoint holds an array of {shape}')
        super().__setstate__((1, shape, dtype, fortran, raw))

    def __reduce__(self):
        return np.asarray(self).__reduce__()

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array[()] if array.ndim == 0 else np.asarray(array)


def _empty_array(*_):
    """Serves ``numpy.core.multiarray._reconstruct``."""
    return _SavedArray()


def _scalar(dtype, raw):
    """Serves ``numpy.core.multiarray.scalar``."""
    # Bytes of Python 2 are read as a string.
    raw = raw.encode('latin1') if isinstance(raw, str) else raw
    return np.frombuffer(raw, _plain_dtype(dtype))[0]


def _history_statistic(owner, name):
    """Serves ``getattr``, for the statistics that a log history keeps."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(
            f'a checkpoint may not ask for attribute {name!r} of {owner!r}'
        )
    return getattr(HistoryBuffer, name)


def array_globals() -> dict:
    """The stand-ins for NumPy's arrays and scalars.

    Names of both NumPy 1 and 2 are served, since files move between machines.

    Returns:
        dict: A stand-in per qualified name.
    """
    served = {'numpy.ndarray': _SavedArray, 'numpy.dtype': _SavedDtype}
    for core in ('numpy.core', 'numpy._core'):
        served[f'{core}.multiarray._reconstruct'] = _empty_array
        served[f'{core}.multiarray.scalar'] = _scalar
    return served


def checkpoint_globals() -> dict:
    """The stand-ins for all values in MMEngine's checkpoints except tensors.

    Returns:
        dict: A stand-in per qualified name.
    """
    return {
        **array_globals(),
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'builtins.getattr': _history_statistic,
        'builtins.bytes': bytes,  # the buffer of an empty array
    }
