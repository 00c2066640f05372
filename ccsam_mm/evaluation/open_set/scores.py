# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Open-set scores: how well a classifier knows an image; higher means better known.

Prototypes are class means of training features: each feature is divided by its length,
the mean is taken per class, and is divided by its length, so that a class of three
images counts as much as one of three thousand.
"""

import torch.nn.functional as F
from torch import Tensor


def msp(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Calculate the maximum softmax probability.

    Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution
    Examples in Neural Networks, ICLR 2017.

    Args:
        logits (Tensor): The outputs of the classifier with shape ``(B, K)``.
        temperature (float): The divisor of the logits. Defaults to 1.0.

    Returns:
        Tensor: Numbers in [1 / K, 1] with shape ``(B, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import msp
        >>> msp(torch.tensor([[0.0, 0.0], [9.0, -9.0]]))
        tensor([0.5000, 1.0000])
    """
    return (logits / temperature).softmax(dim=1).amax(dim=1)


def max_logit(logits: Tensor) -> Tensor:
    """Take the largest logit.

    Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings,
    ICML 2022.

    Args:
        logits (Tensor): The outputs of the classifier with shape ``(B, K)``.

    Returns:
        Tensor: Numbers without bounds with shape ``(B, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import max_logit
        >>> max_logit(torch.tensor([[0.0, 0.0], [9.0, -9.0]]))
        tensor([0., 9.])
    """
    return logits.amax(dim=1)


def energy(logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Calculate the negative free energy.

    Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020.

    Args:
        logits (Tensor): The outputs of the classifier with shape ``(B, K)``.
        temperature (float): Large values take a sum over the classes, small ones the
            largest logit. Defaults to 1.0.

    Returns:
        Tensor: ``T * logsumexp(logits / T)``, without bounds, with shape ``(B, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import energy
        >>> energy(torch.tensor([[0.0, 0.0], [9.0, -9.0]]))
        tensor([0.6931, 9.0000])
    """
    return temperature * (logits / temperature).logsumexp(dim=1)


def proto_cosine(features: Tensor, prototypes: Tensor) -> Tensor:
    """Calculate the cosine between a feature and the nearest class's prototype.

    It is the same whatever class the classifier predicts, and so free of its bias to
    the classes with many images.

    Args:
        features (Tensor): The inputs of the final linear layer with shape ``(B, d)``.
        prototypes (Tensor): One for each class, of length one, with shape ``(K, d)``.

    Returns:
        Tensor: Numbers in [-1, 1] with shape ``(B, )``; features behind a ReLU give
        none below 0.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import proto_cosine
        >>> proto_cosine(torch.tensor([[5.0, 0.0], [2.0, 2.0]]), torch.eye(2))
        tensor([1.0000, 0.7071])
    """
    return _cosines(features, prototypes).amax(dim=1)


def proto_euclidean(
    features: Tensor, prototypes: Tensor, *, temperature: float = 0.1
) -> Tensor:
    """Calculate how clearly one prototype is nearer than all others.

    The softmax over the classes of ``-d^2 / T``, with ``d`` the Euclidean distance
    between prototype and feature of length one, is the posterior of equally frequent
    Gaussian classes; Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS
    2017. The distance to the nearest prototype alone would sort images just as
    :func:`proto_cosine`.

    Args:
        features (Tensor): The inputs of the final linear layer with shape ``(B, d)``.
        prototypes (Tensor): One for each class, of length one, with shape ``(K, d)``.
        temperature (float): Twice the variance of a class in each direction. Defaults
            to 0.1, which scales cosines by 20.

    Returns:
        Tensor: Numbers in [1 / K, 1] with shape ``(B, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import proto_euclidean
        >>> proto_euclidean(torch.tensor([[5.0, 0.0], [2.0, 2.0]]), torch.eye(2))
        tensor([1.0000, 0.5000])
    """
    # d^2 = |z|^2 + 1 - 2 cos, and softmax ignores the terms that all classes share.
    scaled = 2 * _cosines(features, prototypes) / temperature
    return scaled.softmax(dim=1).amax(dim=1)


def hybrid(
    logits: Tensor, features: Tensor, prototypes: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """Multiply :func:`msp` with :func:`proto_cosine`, negative cosines counting zero.

    Args:
        logits (Tensor): The outputs of the classifier with shape ``(B, K)``.
        features (Tensor): The inputs of the final linear layer with shape ``(B, d)``.
        prototypes (Tensor): One for each class, of length one, with shape ``(K, d)``.
        temperature (float): As in :func:`msp`. Defaults to 1.0.

    Returns:
        Tensor: Numbers in [0, 1] with shape ``(B, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import hybrid
        >>> logits = torch.tensor([[0.0, 0.0], [9.0, -9.0]])
        >>> hybrid(logits, torch.tensor([[5.0, 0.0], [2.0, 2.0]]), torch.eye(2))
        tensor([0.5000, 0.7071])
    """
    nearness = proto_cosine(features, prototypes).clamp(min=0)
    return msp(logits, temperature=temperature) * nearness


def _cosines(features: Tensor, prototypes: Tensor) -> Tensor:
    """Cosines with shape ``(B, K)``, 0 for a feature that is zero."""
    return F.normalize(features, dim=1) @ prototypes.t()
