# Copyright (c) ccsam_mm contributors. All rights reserved.
from .balanced_softmax_loss import BalancedSoftmaxLoss
from .class_prior_loss import ClassPriorLoss
from .gcl_loss import GCLLoss
from .label_aware_smooth_loss import LabelAwareSmoothLoss
from .lade_loss import LADELoss
from .ldam_loss import LDAMLoss
from .softmax_focal_loss import SoftmaxFocalLoss
from .vs_loss import VSLoss

__all__ = [
    'BalancedSoftmaxLoss',
    'ClassPriorLoss',
    'GCLLoss',
    'LADELoss',
    'LDAMLoss',
    'LabelAwareSmoothLoss',
    'SoftmaxFocalLoss',
    'VSLoss',
]
