# Copyright (c) ccsam_mm contributors. All rights reserved.
from . import metrics  # noqa: F401
