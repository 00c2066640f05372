# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads pickles of plain data and NumPy arrays, such as CIFAR's batches."""

import codecs
import io
import pickle

import numpy as np

from .safe_globals import _plain_dtype, array_globals


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the names that arrays are pickled with, and no other."""

    served = {**array_globals(), '_codecs.encode': codecs.encode}

    def find_class(self, module, name):
        qualified = f'{module}.{name}'
        if qualified.endswith('.numeric._frombuffer'):  # of protocol 5
            return _array_of_buffer
        if qualified not in self.served:
            raise pickle.UnpicklingError(f'it asks for {qualified}')
        return self.served[qualified]


def _array_of_buffer(buffer, dtype, shape, order, axis_order=None):
    """Serves ``numpy.core.numeric._frombuffer``."""
    if axis_order is not None:
        raise pickle.UnpicklingError('it asks for an array of permuted axes')
    return np.frombuffer(buffer, _plain_dtype(dtype)).reshape(shape, order=order)


def unpickle_arrays(data: bytes):
    """Read a pickle, also one of Python 2, that may call nothing.

    Args:
        data (bytes): The pickle.

    Returns:
        object: Numbers, strings, lists, dicts and arrays of numbers.

    Raises:
        pickle.UnpicklingError: If the pickle asks for more than that.

    Examples:
        >>> import pickle
        >>> from ccsam_mm.utils.loading.unpickle_arrays import unpickle_arrays
        >>> unpickle_arrays(pickle.dumps(dict(labels=[1, 2])))
        {'labels': [1, 2]}
    """
    return _ArrayUnpickler(io.BytesIO(data), encoding='latin1').load()
