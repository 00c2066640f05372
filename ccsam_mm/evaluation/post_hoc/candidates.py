# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What classifiers without training are made from, and what they are."""

from typing import Callable, List, NamedTuple, Optional

import torch.nn.functional as F
from torch import Tensor


class Outputs(NamedTuple):
    """What a classifier makes of a data set, and its labels.

    Args:
        features (Tensor): The input of the last layer, ``(N, d)``.
        logits (Tensor): The scores of the head, ``(N, K)``.
        labels (Tensor): ``(N, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import Outputs
        >>> Outputs(torch.eye(2), torch.eye(2), torch.tensor([0, 1])).labels.tolist()
        [0, 1]
    """

    features: Tensor
    logits: Tensor
    labels: Tensor


class Layer(NamedTuple):
    """A linear layer, the last one of a classifier.

    Args:
        weight (Tensor): ``(K, d)``.
        bias (Tensor): ``(K, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import Layer, Outputs
        >>> images = Outputs(torch.eye(2), torch.zeros(2, 2), torch.tensor([0, 1]))
        >>> Layer(torch.eye(2), torch.tensor([0.5, 0.0])).scores(images).tolist()
        [[1.5, 0.0], [0.5, 1.0]]
    """

    weight: Tensor
    bias: Tensor

    def scores(self, images: Outputs) -> Tensor:
        """Its scores.

        Args:
            images (Outputs): The images.

        Returns:
            Tensor: ``(N, K)``.
        """
        return F.linear(images.features, self.weight, self.bias)


class Candidate(NamedTuple):
    """A method with a value of its parameter.

    Args:
        name (str): The value as text.
        scores (Callable[[Outputs], Tensor]): Its scores, ``(N, K)``.
        layer (Layer, optional): A linear layer with the same predictions; None where
            there is none. Defaults to None.
        value (float, optional): The value as a number. Defaults to None.

    Examples:
        >>> from ccsam_mm.evaluation.post_hoc import Candidate
        >>> Candidate('as trained', lambda images: images.logits).layer is None
        True
    """

    name: str
    scores: Callable[[Outputs], Tensor]
    layer: Optional[Layer] = None
    value: Optional[float] = None


class Method(NamedTuple):
    """A classifier without training.

    Args:
        name (str): Its name.
        candidates (list[Candidate]): Its values, the one that changes least first.
        has_probabilities (bool): Whether the softmax of its scores means something.
            Defaults to True.

    Examples:
        >>> from ccsam_mm.evaluation.post_hoc import Candidate, Method
        >>> plain = Candidate('', lambda images: images.logits)
        >>> Method('as_trained', [plain]).has_probabilities
        True
    """

    name: str
    candidates: List[Candidate]
    has_probabilities: bool = True


def of_layer(name: str, layer: Layer, value: Optional[float] = None) -> Candidate:
    """Candidate that is a linear layer.

    Args:
        name (str): As for :class:`Candidate`.
        layer (Layer): The layer.
        value (float, optional): As for :class:`Candidate`. Defaults to None.

    Returns:
        Candidate: The candidate.
    """
    return Candidate(name, layer.scores, layer, value)


def grid() -> List[float]:
    """Values from 0 to 2 in steps of 0.1, those of the authors of tau-normalisation."""
    return [i / 10 for i in range(21)]
