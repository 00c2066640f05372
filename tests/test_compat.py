# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The remedies for the stack: versions, checkpoints, CPU process groups, --amp."""

import os
import pickle
import subprocess
import sys

import mmengine.device
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import load_checkpoint
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ccsam_mm import compat
from ccsam_mm.version import DISTRIBUTIONS, SUPPORTED

needs_safe_load = pytest.mark.skipif(
    Version(torch.__version__) < Version('2.6'),
    reason='torch.load reads any pickle here',
)


# ------------------------------------------------------------------------- versions
def import_with_fake(tmp_path, name, source):
    """Import ccsam_mm in a fresh process that sees a fake package first."""
    (tmp_path / f'{name}.py').write_text(source)
    repo = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    env = dict(os.environ, PYTHONPATH=f'{tmp_path}{os.pathsep}{repo}')
    result = subprocess.run(
        [sys.executable, '-c', 'import ccsam_mm'],
        env=env,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    return result.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_unsupported_mmcv_is_one_sentence(tmp_path):
    """MMPretrain would raise an AssertionError for this one."""
    message = import_with_fake(tmp_path, 'mmcv', '__version__ = "1.7.2"')
    assert message.startswith(
        f'ImportError: ccsam_mm needs mmcv{SUPPORTED["mmcv"]}, but mmcv 1.7.2 is '
        'installed: run `pip install '
    )


@pytest.mark.slow
def test_missing_package_is_one_sentence(tmp_path):
    source = 'raise ModuleNotFoundError("No module named mmengine", name="mmengine")'
    message = import_with_fake(tmp_path, 'mmengine', source)
    assert 'but mmengine is not installed: run `pip install ' in message
    assert SUPPORTED['mmengine'] in message


@pytest.mark.parametrize(
    ('name', 'version', 'good'),
    [
        ('torch', '2.14.1+cu130', True),
        ('torch', '1.13.1', False),
        ('torch', '3.0.0', False),
        ('mmengine', '0.10.7', True),
        ('mmengine', '0.10.12', True),
        ('mmengine', '0.9.1', False),
        ('mmcv', '2.0.0', True),
        ('mmcv', '2.3.6', True),
        ('mmcv', '2.4.0', False),
        ('mmpretrain', '1.2.0', True),
        ('mmpretrain', '1.3.6', True),
        ('mmpretrain', '1.0.0', False),
    ],
)
def test_supported_versions(name, version, good):
    if good:
        compat._check_version(name, version)
    else:
        with pytest.raises(ImportError, match=f'{name} {version} is installed'):
            compat._check_version(name, version)


def test_advice_names_the_family_in_use(monkeypatch):
    monkeypatch.setattr(compat, '_is_installed', lambda name: name == 'onedl-mmengine')
    assert 'onedl-mmcv' in compat._pip_command('mmcv')
    monkeypatch.setattr(compat, '_is_installed', lambda name: name == 'mmcv')
    assert "'mmcv>=" in compat._pip_command('mmcv')
    monkeypatch.setattr(compat, '_is_installed', lambda name: False)
    assert 'mmcv-lite' in compat._pip_command('mmcv')


def test_tables_agree():
    assert list(DISTRIBUTIONS) == list(SUPPORTED)
    for versions in SUPPORTED.values():
        SpecifierSet(versions)


# ---------------------------------------------------------------------- checkpoints
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


# -------------------------------------------------------------- CPU process groups
@pytest.fixture
def environ(monkeypatch):
    """An environment that forgets what the launchers write."""
    for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(key, '')
        monkeypatch.delenv(key)
    monkeypatch.setattr(compat, 'get_device', lambda: 'cpu')
    yield monkeypatch
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return str(sock.getsockname()[1])


LAUNCHERS = dict(
    pytorch=dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1'),
    slurm=dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_NODELIST='x'),
    mpi=dict(
        OMPI_COMM_WORLD_RANK='0',
        OMPI_COMM_WORLD_SIZE='1',
        OMPI_COMM_WORLD_LOCAL_RANK='0',
        MASTER_ADDR='127.0.0.1',
    ),
)


@pytest.mark.parametrize('launcher', list(LAUNCHERS))
def test_process_group_on_cpu(environ, tmp_path, launcher):
    for key, value in dict(LAUNCHERS[launcher], MASTER_PORT=free_port()).items():
        environ.setenv(key, value)
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho 127.0.0.1\necho second\n')
    scontrol.chmod(0o755)
    environ.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')

    cfg = Config(dict(launcher=launcher, find_unused_parameters=True))
    cfg.env_cfg = dict(dist_cfg=dict(backend='nccl', timeout=60))
    compat.prepare_cpu_distributed(cfg)
    assert torch.distributed.get_backend() == 'gloo'
    assert os.environ['LOCAL_RANK'] == '0' and os.environ['MASTER_ADDR'] == '127.0.0.1'
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=True,
        device_ids=None,
    )


@pytest.mark.parametrize(
    'kind', [MMDistributedDataParallel, 'mmengine.MMDistributedDataParallel']
)
def test_ddp_by_another_name_has_no_device(environ, kind):
    for key, value in dict(LAUNCHERS['pytorch'], MASTER_PORT=free_port()).items():
        environ.setenv(key, value)
    cfg = Config(dict(launcher='pytorch', model_wrapper_cfg=dict(type=kind)))
    compat.prepare_cpu_distributed(cfg)
    assert cfg.model_wrapper_cfg.device_ids is None


def test_several_processes_on_apple_silicon_are_refused(environ):
    environ.setattr(compat, 'get_device', lambda: 'mps')
    with pytest.raises(RuntimeError, match='leave out --launcher'):
        compat.prepare_cpu_distributed(Config(dict(launcher='pytorch')))


def test_mpi_without_address_is_one_sentence(environ):
    with pytest.raises(RuntimeError, match='MASTER_ADDR'):
        compat.prepare_cpu_distributed(Config(dict(launcher='mpi')))


def test_accelerator_and_single_process_are_left_alone(environ):
    cfg = Config(dict(launcher='none'))
    compat.prepare_cpu_distributed(cfg)
    environ.setattr(compat, 'get_device', lambda: 'cuda')
    cfg.launcher = 'pytorch'
    compat.prepare_cpu_distributed(cfg)
    assert 'model_wrapper_cfg' not in cfg and not torch.distributed.is_initialized()


def test_own_model_wrapper_is_kept(environ):
    for key, value in dict(LAUNCHERS['pytorch'], MASTER_PORT=free_port()).items():
        environ.setenv(key, value)
    cfg = Config(dict(launcher='pytorch', model_wrapper_cfg=dict(type='Other', x=1)))
    compat.prepare_cpu_distributed(cfg)
    assert cfg.model_wrapper_cfg == dict(type='Other', x=1)


# ------------------------------------------------------------------------------ amp
@pytest.mark.parametrize(
    ('configured', 'twin'),
    [
        ('OptimWrapper', 'AmpOptimWrapper'),
        (OptimWrapper, 'AmpOptimWrapper'),
        ('AmpOptimWrapper', 'AmpOptimWrapper'),
        (AmpOptimWrapper, 'AmpOptimWrapper'),
        ('mmengine.OptimWrapper', 'mmengine.AmpOptimWrapper'),
        ('CCSAMOptimWrapper', 'AmpCCSAMOptimWrapper'),
    ],
)
def test_amp_twin(monkeypatch, configured, twin):
    monkeypatch.setattr(compat, 'get_device', lambda: 'cuda')
    assert compat.amp_twin(configured) == twin


def test_amp_without_twin_is_one_sentence():
    with pytest.raises(ValueError, match='no AmpNoSuchWrapper beside'):
        compat.amp_twin('NoSuchWrapper')


@pytest.mark.skipif(mmengine.device.get_device() != 'cpu', reason='has an accelerator')
def test_amp_without_accelerator_is_one_sentence():
    with pytest.raises(RuntimeError, match='leave out --amp'):
        compat.amp_twin('OptimWrapper')


# ------------------------------------------------------------------------- explain
def test_missing_pkg_resources_is_explained():
    error = ModuleNotFoundError('no module', name='pkg_resources')
    assert 'setuptools<82' in compat.explain(error)
    assert compat.explain(ValueError('else')) == ''
