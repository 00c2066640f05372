# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What MMEngine writes is read again, and nothing else."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from packaging.version import Version

import ccsam_mm  # noqa: F401

needs_safe_load = pytest.mark.skipif(
    Version(torch.__version__) < Version('2.6'),
    reason='torch.load reads any pickle here',
)


def save(path, content):
    torch.save(content, path)
    return str(path)


def history():
    buffer = HistoryBuffer()
    for value in (3.0, 1.0, 2.0):
        buffer.update(value)
    return buffer


@pytest.mark.parametrize('dtype', ['f8', 'f4', 'i8', 'u1', 'b1', '>i4', 'c16', 'U3'])
@pytest.mark.parametrize('shape', [(), (0,), (3,), (2, 3)])
def test_arrays_survive(tmp_path, dtype, shape):
    array = np.ones(shape, dtype)
    path = save(tmp_path / 'a.pth', dict(c=array, f=array.copy('F')))
    for loaded in torch.load(path).values():
        expected = pickle.loads(pickle.dumps(array))
        assert loaded.dtype == expected.dtype and loaded.shape == array.shape
        np.testing.assert_array_equal(loaded, array)


def test_array_is_ordinary_again_after_use(tmp_path):
    array = torch.load(save(tmp_path / 'a.pth', np.array([1.0, 2.0])))
    array += 1
    assert type(array.sum()) is np.float64
    assert type(array / 2) is np.ndarray
    assert type(pickle.loads(pickle.dumps(array))) is np.ndarray
    again = torch.load(save(tmp_path / 'b.pth', array))
    np.testing.assert_array_equal(again, [2.0, 3.0])


@pytest.mark.parametrize('value', [np.float64(0.5), np.float32(2), np.int64(-3)])
def test_scalars_survive(tmp_path, value):
    loaded = torch.load(save(tmp_path / 's.pth', value))
    assert type(loaded) is type(value) and loaded == value


def test_log_history_survives(tmp_path):
    loaded = torch.load(save(tmp_path / 'h.pth', history()))
    assert type(loaded) is HistoryBuffer
    assert type(loaded.mean()) is np.float64
    loaded.update(6.0)
    assert [loaded.min(), loaded.max(), loaded.current(), loaded.mean()] == [1, 6, 6, 3]
    assert loaded.statistics('mean', 2) == 4


def test_names_of_numpy_1_and_2_are_served(tmp_path):
    """A file written under one NumPy major is read under the other."""
    path = tmp_path / 'h.pth'
    for core in (b'numpy.core.multiarray', b'numpy._core.multiarray'):
        content = pickle.dumps([history(), np.float64(2)], 2)
        for name in (b'numpy.core.multiarray', b'numpy._core.multiarray'):
            content = content.replace(name, core)
        path.write_bytes(rezip(path, content))
        buffer, scalar = torch.load(path)
        assert buffer.mean() == 2 and scalar == 2


def rezip(path, content):
    """Put a handmade pickle into PyTorch's file format."""
    import io
    import zipfile

    torch.save(0, path)
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, 'w') as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith('data.pkl') else old.read(name))
    return out.getvalue()


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def object_array(*, as_dtype):
    """An array whose bytes would be followed as pointers (NumPy crashes on it)."""
    fields = ('a',), {'a': (as_dtype, 0)}
    dtype = Call(np.dtype, 'V8', False, True, state=(3, '|', None, *fields, 8, 1, 0))
    return Call(
        np.zeros(0).__reduce__()[0],
        np.ndarray,
        (0,),
        b'b',
        state=(1, (1,), dtype, False, b'A' * 8),
    )


def attacks(marker):
    """Objects that would run `touch marker`, or lead to it, when unpickled."""
    touch = f'touch {marker}'
    chain = Call(getattr, HistoryBuffer.update, '__globals__')
    flagged = Call(
        np.dtype, 'f8', False, True, state=(3, '<', None, None, 1, -1, -1, 63)
    )
    return dict(
        system=Call(os.system, touch),
        popen=Call(subprocess.Popen, ['touch', marker]),
        eval=Call(eval, f'__import__("os").system("{touch}")'),
        getattr_other=Call(getattr, torch.Size, 'numel'),
        getattr_globals=chain,
        getattr_init=Call(getattr, HistoryBuffer, '__init__'),
        getattr_dunder=Call(getattr, HistoryBuffer, '__globals__'),
        getattr_instance=Call(getattr, history(), 'update'),
        numpy_load=Call(np.load, marker),
        object_array=np.array([Call(os.system, touch)], dtype=object),
        pointer_array=object_array(as_dtype=np.dtype('O')),
        flagged_dtype=flagged,
        history=Call(HistoryBuffer, Call(os.system, touch)),
    )


@needs_safe_load
@pytest.mark.parametrize('attack', list(attacks('')))
def test_crafted_checkpoint_is_refused(tmp_path, attack):
    marker = tmp_path / 'pwned'
    content = dict(state_dict={}, meta=attacks(str(marker))[attack])
    path = save(tmp_path / 'epoch_1.pth', content)
    with pytest.raises((pickle.UnpicklingError, TypeError)) as refused:
        load_checkpoint(torch.nn.Linear(1, 1), path)
    assert not marker.exists()
    if isinstance(refused.value, pickle.UnpicklingError):
        assert f'{path} is refused' in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


@needs_safe_load
def test_unchecked_array_would_be_dangerous(tmp_path):
    """What the narrow numpy stand-ins are for: the plain recipe takes this array."""
    source = (
        'import pickle, sys, numpy as np\n'
        'array = pickle.load(open(sys.argv[1], "rb"))\n'
        'print(repr(array["a"][0]))\n'
    )
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps(object_array(as_dtype=np.dtype('O'))))
    result = subprocess.run([sys.executable, '-c', source, path], capture_output=True)
    assert result.returncode < 0  # killed by a signal


def test_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / 'nowhere.pth'))
