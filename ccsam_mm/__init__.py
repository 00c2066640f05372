# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Deep long-tailed recognition with CC-SAM on OpenMMLab.

Importing the package checks the installed versions, applies the remedies in
:mod:`ccsam_mm.compat` and registers everything.
"""

from . import compat  # noqa: F401, I001  (first: checks versions before anything else)
from . import datasets, engine, evaluation, models  # noqa: F401
from .model_index import register_models
from .version import __version__

register_models()

__all__ = ['__version__']
