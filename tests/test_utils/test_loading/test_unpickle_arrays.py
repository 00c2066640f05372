# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What CIFAR's batches may hold, in every protocol, and nothing else."""

import io
import os
import pickle

import numpy as np
import pytest
from fake_data import write_cifar

from ccsam_mm.datasets import CIFAR10LT, CIFAR100LT
from ccsam_mm.utils.loading.unpickle_arrays import unpickle_arrays

DATA = np.arange(12, dtype=np.uint8).reshape(2, 6)


class Python2Pickler(pickle._Pickler):
    """Writes strings and bytes as Python 2 wrote its ``str``."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_old(self, value):
        value = value.encode('latin1') if isinstance(value, str) else value
        self.write(b'T' + len(value).to_bytes(4, 'little') + value)

    dispatch[str] = dispatch[bytes] = save_old


def python2(value):
    out = io.BytesIO()
    Python2Pickler(out, 2).dump(value)
    return out.getvalue().replace(b'numpy._core', b'numpy.core')


def protocol(number):
    return lambda value: pickle.dumps(value, number)


@pytest.mark.parametrize(
    'dump', [python2, *map(protocol, range(2, pickle.HIGHEST_PROTOCOL + 1))]
)
def test_plain_data_survives(dump):
    entry = dict(data=DATA, fortran=DATA.copy('F'), labels=[3, 4], batch_label='1 of 5')
    entry['number'] = np.int64(7)
    read = unpickle_arrays(dump(entry))
    np.testing.assert_array_equal(read['data'], DATA)
    np.testing.assert_array_equal(read['fortran'], DATA)
    assert (read['labels'], read['number']) == ([3, 4], 7)
    assert read['batch_label'] == '1 of 5'


class Call:
    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


def attacks(marker):
    touch = f'touch {marker}'
    return dict(
        system=Call(os.system, touch),
        eval=Call(eval, f'__import__("os").system("{touch}")'),
        getattr=Call(getattr, np.ndarray, 'tofile'),
        objects=np.array([Call(os.system, touch)], dtype=object),
        loader=Call(np.load, str(marker)),
    )


@pytest.mark.parametrize('cls', [CIFAR10LT, CIFAR100LT])
@pytest.mark.parametrize('attack', list(attacks('')))
def test_crafted_batch_is_refused(tmp_path, cls, attack):
    marker = tmp_path / 'pwned'
    folder = write_cifar(tmp_path, cls)
    # The file of the other split is read for the class counts.
    for name, _ in (cls.train_list[-1], cls.test_list[-1]):
        whole = (folder / name).read_bytes()
        entry = dict(data=DATA, labels=[1, 2], more=attacks(marker)[attack])
        (folder / name).write_bytes(pickle.dumps(entry))
        with pytest.raises(ValueError, match=f"{name}' .*nothing else is read"):
            cls(str(tmp_path), verify_md5=False)
        assert not marker.exists()
        (folder / name).write_bytes(whole)
    cls(str(tmp_path), imbalance_ratio=5, verify_md5=False)
