# Copyright (c) ccsam_mm contributors. All rights reserved.
from . import hooks, optim_wrappers  # noqa: F401
