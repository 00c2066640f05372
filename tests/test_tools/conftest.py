# Copyright (c) ccsam_mm contributors. All rights reserved.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture
def type_in(tmp_path):
    """Run a command line in an empty folder, and return its completed process."""

    def run(*command, check=True, **env):
        env = dict(os.environ, OMP_NUM_THREADS='1', **env)
        result = subprocess.run(
            [str(part) for part in command],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or result.returncode == 0, result.stdout[-3000:]
        return result

    return run


@pytest.fixture(scope='session')
def load_tool():
    """Import a script of tools/ as a module."""

    def load(name):
        sys.path.insert(0, str(REPO / 'tools'))
        try:
            path = REPO / 'tools' / f'{name}.py'
            spec = importlib.util.spec_from_file_location(f'tools_{name}', path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(REPO / 'tools'))
        return module

    return load
