# Copyright (c) ccsam_mm contributors. All rights reserved.
from . import backbones, classifiers, heads  # noqa: F401
