# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checkpoints from addresses and storages: weights and logs, no code."""

import functools
import http.server
import os
import pickle
import shutil
import sys
import threading
import types

import pytest
import torch
from mmengine.fileio import BaseStorageBackend
from mmengine.fileio.backends.registry_utils import backends
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner import checkpoint as mmengine_checkpoint
from packaging.version import Version

import ccsam_mm  # noqa: F401
from ccsam_mm.utils.loading.gate import FORCE, UnreadableCheckpointError, gated

pytestmark = pytest.mark.skipif(
    Version(torch.__version__) < Version('2.6'),
    reason='torch.load reads any pickle here',
)
SCHEMES = [
    'local',
    'http',
    'torchvision',
    'modelzoo',
    'open-mmlab',
    'openmmlab of a file',
    'mmcls',
    's3',
    'petrel',
    'pavi',
]


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def address(tmp_path):
    """A server of the folder ``far``, on this machine alone."""
    (tmp_path / 'far').mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / 'far'))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture
def names(tmp_path, address, monkeypatch):
    """What names the file ``far/a.pth`` in each scheme."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path / 'mmengine'))
    (tmp_path / 'mmengine').mkdir()
    far = tmp_path / 'far' / 'a.pth'
    urls = dict(mine=f'{address}/a.pth', file=str(far))
    for kind in ('torchvision', 'external', 'mmcls'):
        monkeypatch.setattr(mmengine_checkpoint, f'get_{kind}_models', lambda: urls)

    class Storage(BaseStorageBackend):
        def get(self, path):
            return far.read_bytes()

        get_text = get

    monkeypatch.setitem(backends, 'petrel', Storage)
    pavi = types.ModuleType('pavi')
    copy = types.SimpleNamespace(
        name='a.pth', download=lambda path: shutil.copy(far, path)
    )
    pavi.modelcloud = types.SimpleNamespace(get=lambda name: copy)
    monkeypatch.setitem(sys.modules, 'pavi', pavi)
    addresses = {s: f'{s}://mine' for s in SCHEMES if ' ' not in s}
    return dict(
        addresses,
        local=str(far),
        http=urls['mine'],
        **{'openmmlab of a file': 'openmmlab://file'},
    )


@pytest.mark.parametrize('scheme', SCHEMES)
def test_weights_load_and_code_does_not_run(tmp_path, names, scheme):
    model, weights = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3).state_dict()
    prefix = 'backbone.' if scheme == 'mmcls' else ''  # which reads no more
    content = dict(state_dict={prefix + k: v for k, v in weights.items()})
    far, marker = tmp_path / 'far' / 'a.pth', tmp_path / 'pwned'
    torch.save(content, far)
    load_checkpoint(model, names[scheme])
    assert torch.equal(model.weight, weights['weight'])

    torch.save(dict(content, meta=Touch(marker)), far)
    for cached in (tmp_path / 'torch').rglob('*.pth'):
        cached.unlink()
    with pytest.raises(pickle.UnpicklingError) as refused:
        load_checkpoint(model, names[scheme])
    assert f'{names[scheme]} is refused' in str(refused.value)
    assert 'system' in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert not marker.exists() and FORCE not in os.environ


def test_a_file_in_the_cache_is_no_way_around(tmp_path, names):
    """PyTorch takes what lies there under the name of the address."""
    folder = tmp_path / 'torch' / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    (folder / 'a.pth').write_bytes(pickle.dumps(Touch(tmp_path / 'pwned')))
    with pytest.raises(UnreadableCheckpointError, match=f'kept in {folder}'):
        load_checkpoint(torch.nn.Linear(2, 3), names['torchvision'])
    assert not (tmp_path / 'pwned').exists()


def test_what_is_not_there_is_one_sentence(tmp_path, names, address):
    model = torch.nn.Linear(2, 3)
    with pytest.raises(OSError, match='b.pth cannot be reached .*404'):
        load_checkpoint(model, f'{address}/b.pth')
    with pytest.raises(OSError, match='torchvision://resnet999 is not a model'):
        load_checkpoint(model, 'torchvision://resnet999')
    (tmp_path / 'far' / 'a.pth').write_text('<html>moved</html>')
    with pytest.raises(UnreadableCheckpointError, match='a.pth cannot be read'):
        load_checkpoint(model, names['http'])


def test_every_loader_of_mmengine_is_gated():
    for loader in CheckpointLoader._schemes.values():
        assert loader.__globals__['__name__'] == gated.__module__


def test_a_loader_that_turns_to_any_pickle_is_overruled(tmp_path):
    """As the maintained fork does when the safe way fails."""

    def load_from_fork(filename, map_location=None):
        try:
            return torch.load(filename, weights_only=True)
        except Exception:
            return torch.load(filename, weights_only=False)

    path, marker = tmp_path / 'a.pth', tmp_path / 'pwned'
    torch.save(Touch(marker), path)
    with pytest.raises(pickle.UnpicklingError, match='is refused'):
        gated(load_from_fork)(str(path))
    assert not marker.exists()


def test_the_user_may_ask_for_any_pickle(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    path, marker = tmp_path / 'a.pth', tmp_path / 'asked'
    torch.save(dict(state_dict={}, meta=Touch(marker)), path)
    load_checkpoint(torch.nn.Identity(), str(path))
    assert marker.exists()
