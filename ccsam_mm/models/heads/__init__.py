# Copyright (c) ccsam_mm contributors. All rights reserved.
from .adversarial_feature_head import AdversarialFeatureHead
from .adversarial_feature_mixin import AdversarialFeatureMixin

__all__ = ['AdversarialFeatureHead', 'AdversarialFeatureMixin']
