# Copyright (c) ccsam_mm contributors. All rights reserved.
from .adversarial_feature_head import AdversarialFeatureHead

__all__ = ['AdversarialFeatureHead']
