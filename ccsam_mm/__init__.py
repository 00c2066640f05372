# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Deep long-tailed recognition with CC-SAM on OpenMMLab.

Importing the package checks the installed versions, makes checkpoints load as weights
only (:mod:`ccsam_mm.utils.loading.gate`) and registers everything.
"""

from .utils import versions  # noqa: F401, I001  (first: checks before anything else)
from . import datasets, engine, evaluation, models  # noqa: F401
from .utils.loading.gate import allow_checkpoints
from .utils.model_index import register_models
from .version import __version__

allow_checkpoints()
register_models()

__all__ = ['__version__']
