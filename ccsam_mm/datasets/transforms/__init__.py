# Copyright (c) ccsam_mm contributors. All rights reserved.
from .load_image_or_skip import LoadImageOrSkip

__all__ = ['LoadImageOrSkip']
