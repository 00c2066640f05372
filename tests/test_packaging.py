# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What a wheel contains and requires."""

import email
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ccsam_mm.version import DISTRIBUTIONS, SUPPORTED, __version__

REPO = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel built from a copy without README, as a stranger's pip would do it."""
    tmp_path = tmp_path_factory.mktemp('wheel')
    source = tmp_path / 'source'
    source.mkdir()
    files = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE', 'model-index.yml')
    for name in files:
        shutil.copy(REPO / name, source)
    for name in ('ccsam_mm', 'configs', 'tools', 'requirements'):
        shutil.copytree(REPO / name, source / name)
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '-w', str(tmp_path)]
    # setuptools is here already where pip is told not to fetch it again.
    if importable('setuptools.command.bdist_wheel') or importable('wheel'):
        command.append('--no-build-isolation')
    subprocess.run([*command, str(source)], check=True, cwd=tmp_path)
    (path,) = tmp_path.glob('*.whl')
    assert not (source / 'ccsam_mm' / '.mim').exists()
    return zipfile.ZipFile(path)


def importable(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package
        return False


def metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith('.dist-info/METADATA'))
    return email.message_from_bytes(wheel.read(name))


def test_wheel_has_every_module_config_and_tool(wheel):
    packed = set(wheel.namelist())
    wanted = {str(p.relative_to(REPO)) for p in REPO.glob('ccsam_mm/**/*.py')}
    for folder, patterns in dict(
        configs=['**/*.py', '**/*.yml'], tools=['**/*.py', '**/*.sh']
    ).items():
        for pattern in patterns:
            wanted |= {
                f'ccsam_mm/.mim/{p.relative_to(REPO)}'
                for p in (REPO / folder).glob(pattern)
            }
    assert wanted <= packed
    assert {
        f'ccsam_mm/.mim/{n}' for n in ('tools/train.py', 'model-index.yml')
    } <= packed
    assert not [name for name in packed if 'pycache' in name or name.startswith('test')]


def test_models_are_known_by_name_from_a_wheel(wheel, tmp_path):
    """MIM reads the same index there; nothing of the clone is in reach."""
    wheel.extractall(tmp_path)
    script = (
        'import ccsam_mm, mmpretrain\n'
        "names = mmpretrain.list_models('places_lt_r152_stage')\n"
        "model = mmpretrain.get_model('digits_lt_r20_stage2')\n"
        'print(ccsam_mm.__file__, *names, type(model).__name__)'
    )
    command = [sys.executable, '-c', script]
    env = dict(os.environ, PYTHONPATH=str(tmp_path), OMP_NUM_THREADS='1')
    log = subprocess.run(
        command, check=True, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ).stdout
    assert log.splitlines()[-1].split() == [
        str(tmp_path / 'ccsam_mm/__init__.py'),
        'places_lt_r152_stage1',
        'places_lt_r152_stage2',
        'DecoupledClassifier',
    ]


def test_stack_is_required_by_extras_only(wheel):
    requires = metadata(wheel).get_all('Requires-Dist')
    stack = {name for names in DISTRIBUTIONS.values() for name in names}
    required = {name(r) for r in requires if 'extra ==' not in r}
    assert not required & stack
    assert metadata(wheel)['Version'] == __version__
    for extra, position in dict(openmmlab=0, onedl=-1).items():
        listed = {name(r): r for r in requires if f'extra == "{extra}"' in r}
        assert set(listed) == {names[position] for names in DISTRIBUTIONS.values()}
        for package, versions in SUPPORTED.items():
            for bound in versions.split(','):
                assert bound in listed[DISTRIBUTIONS[package][position]]


def name(requirement):
    return re.match(r'[\w-]+', requirement)[0]
