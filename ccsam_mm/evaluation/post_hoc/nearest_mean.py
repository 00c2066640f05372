# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Nearest class mean, of `Decoupling <https://arxiv.org/abs/1910.09217>`_."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .candidates import Candidate, Layer, Method, Outputs, of_layer

VARIANTS = ('un', 'l2n', 'cl2n')
DISTANCES = ('l2', 'cosine')
# Vectors of length one have no linear layer that finds the nearest mean.
NOT_LINEAR = ('l2n_l2', 'cl2n_l2')
# Rows that are in double precision at a time.
PART = 16384


def nearest_mean(train: Outputs, num_classes: int) -> Method:
    r"""The class whose mean training feature is nearest to an image's feature.

    Variants: 'un' takes the features as they are, 'l2n' gives them length one, and
    'cl2n' subtracts the mean of all training images before that. The class means
    :math:`\mu_c` are those of such features. The distance is Euclidean, 'l2', or that
    of the angle, 'cosine'. All but 'l2n_l2' and 'cl2n_l2' predict what a linear layer
    does: 'un_l2' with :math:`w_c = 2 \mu_c`, :math:`b_c = -\lVert \mu_c \rVert^2`, the
    others with :math:`w_c = \mu_c / \lVert \mu_c \rVert` and, where the mean
    :math:`m` is subtracted, :math:`b_c = -w_c^T m`.

    Args:
        train (Outputs): The training images.
        num_classes (int): The number of classes K, each with an image.

    Returns:
        Method: With a candidate for each variant and distance, ``un_l2`` first.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import Outputs, nearest_mean
        >>> train = Outputs(torch.eye(2), torch.eye(2), torch.tensor([0, 1]))
        >>> first = nearest_mean(train, num_classes=2).candidates[0]
        >>> first.name, first.layer.weight.tolist(), first.layer.bias.tolist()
        ('un_l2', [[2.0, 0.0], [0.0, 2.0]], [-1.0, -1.0])
    """
    features = train.features
    centre = features.mean(dim=0, dtype=torch.float64)
    candidates = []
    for variant in VARIANTS:
        means = _class_means(train, num_classes, variant, centre)
        for distance in DISTANCES:
            name = f'{variant}_{distance}'
            if name in NOT_LINEAR:
                scores = _NearestMean(variant, centre, means)
                candidates.append(Candidate(name, scores))
                continue
            if distance == 'l2':
                weight, bias = 2 * means, -means.square().sum(dim=1)
            else:
                weight = F.normalize(means, dim=1)
                bias = -weight @ centre if variant == 'cl2n' else weight.new_zeros(1)
            layer = Layer(
                weight.to(features.dtype),
                bias.expand(num_classes).to(features.dtype).contiguous(),
            )
            candidates.append(of_layer(name, layer))
    return Method('nearest_mean', candidates, has_probabilities=False)


class _NearestMean:
    """Scores that grow as the distance to the means of normalised features falls."""

    def __init__(self, variant: str, centre: Tensor, means: Tensor):
        self.variant, self.centre, self.means = variant, centre, means

    def __call__(self, images: Outputs) -> Tensor:
        scores = [
            2 * _transform(part.double(), self.variant, self.centre) @ self.means.T
            for part in images.features.split(PART)
        ]
        return torch.cat(scores) - self.means.square().sum(dim=1)


def _class_means(
    train: Outputs, num_classes: int, variant: str, centre: Tensor
) -> Tensor:
    """Means in double precision, ``(K, d)``."""
    sums = centre.new_zeros(num_classes, len(centre))
    for part, labels in zip(train.features.split(PART), train.labels.split(PART)):
        sums.index_add_(0, labels, _transform(part.double(), variant, centre))
    return sums / torch.bincount(train.labels, minlength=num_classes)[:, None]


def _transform(features: Tensor, variant: str, centre: Tensor) -> Tensor:
    if variant == 'un':
        return features
    return F.normalize(features - centre if variant == 'cl2n' else features, dim=1)
