# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The examples in the docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import ccsam_mm

MODULES = [m.name for m in pkgutil.walk_packages(ccsam_mm.__path__, 'ccsam_mm.')]


@pytest.mark.parametrize('name', MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_every_exported_class_has_an_example():
    lacking = []
    for name in MODULES:
        module = importlib.import_module(name)
        for exported in getattr(module, '__all__', []):
            value = getattr(module, exported)
            if isinstance(value, type) and '>>>' not in value.__doc__:
                lacking.append(f'{name}.{exported}')
    assert not lacking
