# Copyright (c) ccsam_mm contributors. All rights reserved.
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from ccsam_mm.utils import versions
from ccsam_mm.version import DISTRIBUTIONS, SUPPORTED


def import_with_fake(tmp_path, name, source):
    """Import ccsam_mm in a fresh process that sees a fake package first."""
    (tmp_path / f'{name}.py').write_text(source)
    repo = str(Path(__file__).parents[2])
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
        versions._check_version(name, version)
    else:
        with pytest.raises(ImportError, match=f'{name} {version} is installed'):
            versions._check_version(name, version)


def test_advice_names_the_family_in_use(monkeypatch):
    monkeypatch.setattr(
        versions, '_is_installed', lambda name: name == 'onedl-mmengine'
    )
    assert 'onedl-mmcv' in versions._pip_command('mmcv')
    monkeypatch.setattr(versions, '_is_installed', lambda name: name == 'mmcv')
    assert "'mmcv>=" in versions._pip_command('mmcv')
    monkeypatch.setattr(versions, '_is_installed', lambda name: False)
    assert 'mmcv-lite' in versions._pip_command('mmcv')


def test_tables_agree():
    assert list(DISTRIBUTIONS) == list(SUPPORTED)
    for supported in SUPPORTED.values():
        SpecifierSet(supported)
