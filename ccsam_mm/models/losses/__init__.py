# Copyright (c) ccsam_mm contributors. All rights reserved.
from .balanced_softmax_loss import BalancedSoftmaxLoss

__all__ = ['BalancedSoftmaxLoss']
