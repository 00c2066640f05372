# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Adds advice to errors of MMEngine and its dependencies.

MMEngine finds ``mmpretrain::`` bases through pkg_resources, gone since setuptools 82.
https://github.com/pypa/setuptools/issues/5174
"""


def explain(error: Exception) -> str:
    """Advise the user about an error of MMEngine or its dependencies.

    Args:
        error (Exception): The error.

    Returns:
        str: A sentence, empty if there is nothing to add.
    """
    if isinstance(error, ModuleNotFoundError) and error.name == 'pkg_resources':
        return (
            'MMEngine needs pkg_resources for `package::` bases in configs, and '
            "setuptools 82 dropped it: run `pip install 'setuptools<82'`, or copy the "
            'base config and name it by a relative path.'
        )
    return ''
