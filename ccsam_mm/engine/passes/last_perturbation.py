# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The perturbations of the last training step, for logs and tests."""

from typing import NamedTuple

from torch import Tensor


class LastPerturbation(NamedTuple):
    r"""Perturbations of the last forward, as the step computed them.

    A class stands in it once per image in the closed form, and once in the class-routed
    forward. The tensors stay on their device: reading them may wait for it.

    Args:
        classes (Tensor): Labels of the classes, ``(N, )``.
        grad_norms (Tensor): :math:`\|g_c\|`, ``(N, )``.
        lengths (Tensor): :math:`\|\epsilon_c\|`, ``(N, )``.
        weight_norm (Tensor): :math:`\|w\|` over all perturbed parameters, a scalar.
    """

    classes: Tensor
    grad_norms: Tensor
    lengths: Tensor
    weight_norm: Tensor
