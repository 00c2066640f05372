# Copyright (c) ccsam_mm contributors. All rights reserved.
r"""Class gradients of a linear layer in closed form.

For ``A = Z W^T + b`` and independent images, the gradient of class c's mean loss is
``g_c = 1/B_c * sum_{i in c} r_i (z_i, 1)^T``, an outer-product sum of logit gradients
``r_i`` and features ``z_i``. Norms of ``g_c`` and products with it need only the Gram
matrices of the batch; the ``K x (d + 1)`` gradients themselves are never formed.

A Gram matrix contains squares, which lose half of the digits where a sum cancels. So it
is computed in double precision if the device supports it.
"""

import torch
from torch import Tensor


class LinearClassGradients:
    """The gradients of every class's mean loss with respect to a linear layer.

    Args:
        features (Tensor): Inputs of the layer ``Z``, ``(N, d)``.
        logit_grads (Tensor): ``R``, ``(N, K)``: row i is the gradient of *image i's*
            loss with respect to its own outputs (for a mean loss, N times the gradient
            of the loss).
        labels (Tensor): Class of each image, ``(N, )``.
        bias (bool): Whether the layer has a bias. Defaults to True.

    Examples:
        >>> import torch
        >>> from ccsam_mm.sharpness import LinearClassGradients
        >>> grads = LinearClassGradients(
        ...     features=torch.tensor([[3.0], [1.0], [2.0]]),
        ...     logit_grads=torch.tensor([[1.0], [1.0], [2.0]]),
        ...     labels=torch.tensor([0, 0, 5]), bias=False)
        >>> grads.norms()  # |(3 + 1) / 2|, the same, |2 * 2|
        tensor([2., 2., 4.])
    """

    def __init__(
        self, features: Tensor, logit_grads: Tensor, labels: Tensor, bias: bool = True
    ):
        self.dtype = features.dtype
        self.features = _precise(features.detach())
        self.logit_grads = _precise(logit_grads.detach())
        self.labels = labels
        self.bias = bias

    def class_sizes(self, labels: Tensor) -> Tensor:
        """Number of images in the batch that share each given label, ``(B, )``."""
        return self._same_class(labels).sum(dim=1)

    @torch.no_grad()
    def norms(self) -> Tensor:
        r"""Norm of each image's class gradient.

        .. math::
            \|g_c\|^2 = \frac{1}{B_c^2} \sum_{i,j \in c} (r_i . r_j)(z_i . z_j + 1)

        Returns:
            Tensor: ``(N, )``, entry i is the norm for the class of image i; zero where
            the sum is lost in the rounding of its terms (at about 1e-7 of them, and
            1e-3 on devices without double precision).
        """
        same = self._same_class(self.labels)
        # Scaled by the class's largest entry, tiny gradients' squares can't underflow.
        largest = torch.linalg.vector_norm(self.logit_grads, float('inf'), dim=1)
        scale = (same * largest).amax(dim=1)
        limits = torch.finfo(scale.dtype)
        rows = self.logit_grads / scale.clamp(min=limits.tiny)[:, None]
        gram = self._gram(self.features)
        class_sums = same @ (same * (rows @ rows.T) * gram).sum(dim=1)
        # The norm of the class's sum if none of its terms cancelled.
        longest = same @ (rows.norm(dim=1) * gram.diagonal().clamp(min=0).sqrt())
        # By rounding, a vanishing sum can be slightly above or below zero.
        known = class_sums > 16 * limits.eps * longest**2
        class_sums = torch.where(known, class_sums, torch.zeros_like(class_sums))
        norms = scale * class_sums.sqrt() / same.sum(dim=1)
        return norms.to(self.dtype)

    def products(self, features: Tensor, labels: Tensor) -> Tensor:
        """Outputs of a layer whose weights are each image's own class gradient.

        Args:
            features (Tensor): ``(B, d)``; gradients flow into them.
            labels (Tensor): Class of each row, ``(B, )``.

        Returns:
            Tensor: ``(B, K)``, row i is ``g_c (z_i, 1)`` with c the class of image i
            (zero for a class that has no image in the batch).
        """
        same = self._same_class(labels)
        sizes = same.sum(dim=1, keepdim=True).clamp(min=1)
        products = (same * self._gram(features)) @ self.logit_grads / sizes
        return products.to(features.dtype)

    def _same_class(self, labels: Tensor) -> Tensor:
        return (labels[:, None] == self.labels).to(self.features.dtype)

    def _gram(self, features: Tensor) -> Tensor:
        gram = _precise(features) @ self.features.T
        return gram + 1 if self.bias else gram


def _precise(tensor: Tensor) -> Tensor:
    """The tensor in double precision, which Apple's GPU does not support."""
    return tensor if tensor.device.type == 'mps' else tensor.double()
