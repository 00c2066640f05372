# Copyright (c) ccsam_mm contributors. All rights reserved.
from . import samplers  # noqa: F401
