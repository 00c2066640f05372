# Copyright (c) ccsam_mm contributors. All rights reserved.
"""OpenMax: Bendale and Boult, Towards Open Set Deep Networks, CVPR 2016."""

import numpy as np
import torch
from torch import Tensor

# Two parameters are fitted to no fewer images than this.
MIN_IMAGES = 3


class OpenMax:
    """The probability that an image is of one of the known classes.

    For each class, a Weibull distribution (with location zero) is fitted to the largest
    distances of its correctly classified training images to their mean logits. A new
    image moves a part of its ``alpha`` largest logits, the larger its distance to the
    class, the more, to the unknown class. As in the authors' code, the part is the
    distribution function, not one minus it as in the paper's algorithm 2. Distances are
    Euclidean.

    Few-shot classes: one with fewer than three correctly classified training images, or
    with equal distances, takes the distribution that is fitted to the tails of all
    other classes together.

    Args:
        mean_logits (Tensor): The mean for each class, with shape ``(K, K)``.
        distances (Tensor): The distance of each correctly classified training image to
            the mean of its class, with shape ``(N, )``.
        labels (Tensor): The classes of these images, with shape ``(N, )``.
        tail_size (int): How many of the largest distances of a class count. Defaults
            to 20, as in the paper.
        alpha (int): How many of the largest logits are revised. Defaults to 10, as in
            the paper, or to all classes where there are fewer.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import OpenMax
        >>> distances = torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
        >>> labels = torch.tensor([0, 0, 0, 1, 1, 1])
        >>> mean_logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
        >>> open_max = OpenMax(mean_logits, distances, labels)
        >>> open_max(torch.tensor([[9.0, 0.0], [4.5, 4.5], [30.0, 0.0]]))
        tensor([0.9999, 0.0121, 0.0000])
    """

    def __init__(
        self,
        mean_logits: Tensor,
        distances: Tensor,
        labels: Tensor,
        tail_size: int = 20,
        alpha: int = 10,
    ):
        self.mean_logits = mean_logits
        self.alpha = min(alpha, len(mean_logits))
        shape, scale = _fit_classes(
            distances.cpu().double(), labels.cpu(), len(mean_logits), tail_size
        )
        self.shape, self.scale = shape.to(mean_logits), scale.to(mean_logits)

    def __call__(self, logits: Tensor) -> Tensor:
        """Calculate one minus the probability of the unknown class.

        Args:
            logits (Tensor): The outputs of the classifier with shape ``(B, K)``.

        Returns:
            Tensor: Numbers in [0, 1] with shape ``(B, )``.
        """
        top, classes = logits.topk(self.alpha, dim=1)
        means = self.mean_logits.to(logits)[classes]
        distances = (logits[:, None] - means).norm(dim=2)
        shape, scale = self.shape.to(logits), self.scale.to(logits)
        far = 1 - torch.exp(-((distances / scale[classes]) ** shape[classes]))
        # 1 for the largest logit, 1 / alpha for the last that is revised.
        rank = torch.arange(self.alpha, 0, -1, device=logits.device) / self.alpha
        moved = top * far * rank
        revised = logits.scatter(1, classes, top - moved)
        unknown = moved.sum(dim=1, keepdim=True)
        return 1 - torch.cat([revised, unknown], dim=1).softmax(dim=1)[:, -1]


def _fit_classes(
    distances: Tensor, labels: Tensor, num_classes: int, tail_size: int
) -> tuple[Tensor, Tensor]:
    """Shape and scale for each class, both ``(K, )``."""
    tails = {}
    for c in range(num_classes):
        tail = distances[labels == c].sort(descending=True).values[:tail_size]
        if len(tail) >= MIN_IMAGES and tail[0] > tail[-1]:
            tails[c] = tail
    if not tails:
        raise ValueError(
            "score='openmax' needs a class with three correctly classified training "
            'images, but this checkpoint has none: choose another `score` of '
            'OpenSetMetric, or another checkpoint.'
        )
    shared = None
    if len(tails) < num_classes:
        shared = _fit_weibull(torch.cat(list(tails.values())))
    fits = [
        _fit_weibull(tails[c]) if c in tails else shared for c in range(num_classes)
    ]
    return tuple(torch.tensor(fits, dtype=torch.float64).t())


def _fit_weibull(tail: Tensor) -> tuple[float, float]:
    """Shape and scale of largest likelihood.

    The general fit of SciPy ends as soon as the likelihood is as good as equal, at
    parameters that depend on the last digits of the distances.
    """
    from scipy.optimize import brentq  # takes a while to import

    # An image at its class's mean has no logarithm of its distance; powers of numbers
    # up to one do not overflow.
    largest = float(tail.max())
    logs = (tail / largest).clamp(min=1e-6).log().numpy()

    def slope(log_shape: float) -> float:
        """The slope of the likelihood at the best scale, up to a negative factor."""
        shape = np.exp(log_shape)
        powers = np.exp(shape * logs)
        return (powers * logs).sum() / powers.sum() - 1 / shape - logs.mean()

    shape = np.exp(brentq(slope, -7, 28))
    return shape, largest * np.exp(shape * logs).mean() ** (1 / shape)
