# Copyright (c) ccsam_mm contributors. All rights reserved.
from .decoupled_classifier import DecoupledClassifier

__all__ = ['DecoupledClassifier']
