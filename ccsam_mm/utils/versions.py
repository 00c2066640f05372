# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks the installed versions of PyTorch and OpenMMLab when it is imported.

MMPretrain's own check is an assertion that fails in its import, so this one comes
before it.
"""

import warnings
from importlib import import_module, metadata

from ccsam_mm.version import DISTRIBUTIONS, SUPPORTED


def check_versions() -> None:
    """Import PyTorch and OpenMMLab, and refuse missing or unsupported versions.

    Raises:
        ImportError: If a package is missing or outside of its supported range.
    """
    for name, supported in SUPPORTED.items():
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ImportError(
                f'ccsam_mm needs {name}{supported}, but {name} is not installed: '
                f'run {_pip_command(name)}'
            ) from None
        _check_version(name, module.__version__)


def _check_version(name: str, installed: str) -> None:
    """Refuse a version outside of the supported range."""
    # torch, mmengine and mmcv all need `packaging`, so it is there by now.
    from packaging.specifiers import SpecifierSet

    supported = SUPPORTED[name]
    if not SpecifierSet(supported).contains(installed, prereleases=True):
        raise ImportError(
            f'ccsam_mm needs {name}{supported}, but {name} {installed} is installed: '
            f'run {_pip_command(name)}'
        )


def _pip_command(name: str) -> str:
    """The command that installs a supported version of what is in use here."""
    candidates = DISTRIBUTIONS[name]
    found = [candidate for candidate in candidates if _is_installed(candidate)]
    fork = [candidate for candidate in candidates if candidate.startswith('onedl-')]
    if not found and fork and _is_installed('onedl-mmengine'):
        found = fork
    return f"`pip install '{(found or candidates)[0]}{SUPPORTED[name]}'`"


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def import_mmcv_quietly() -> None:
    """Import MMCV's transformers without mmcv-lite's warnings of missing operators.

    This package needs none of these operators.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Fail to import')
        import_module('mmcv.cnn.bricks.transformer')


check_versions()
import_mmcv_quietly()
