# Copyright (c) ccsam_mm contributors. All rights reserved.
from .adversarial_feature_head import AdversarialFeatureHead
from .adversarial_feature_mixin import AdversarialFeatureMixin
from .cosine_linear_cls_head import CosineLinearClsHead
from .disalign_cls_head import DisAlignClsHead
from .lws_cls_head import LWSClsHead

__all__ = [
    'AdversarialFeatureHead',
    'AdversarialFeatureMixin',
    'CosineLinearClsHead',
    'DisAlignClsHead',
    'LWSClsHead',
]
