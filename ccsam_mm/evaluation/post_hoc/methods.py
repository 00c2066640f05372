# Copyright (c) ccsam_mm contributors. All rights reserved.
"""All classifiers without training."""

from typing import List, Optional

from torch import Tensor

from .candidates import Candidate, Layer, Method, Outputs
from .logit_adjustment import logit_adjustment, prior_correction
from .nearest_mean import nearest_mean
from .tau_norm import tau_norm
from .temperature import temperature_scaling

METHODS = (
    'tau_norm',
    'nearest_mean',
    'logit_adjustment',
    'prior_correction',
    'temperature',
)


def post_hoc_methods(
    train: Outputs,
    val: Outputs,
    train_prior: Tensor,
    test_prior: Tensor,
    layer: Optional[Layer] = None,
    score_scale: float = 1.0,
) -> List[Method]:
    """Make all classifiers that the training and validation images allow.

    Args:
        train (Outputs): The training images.
        val (Outputs): The validation images, by which the temperature is chosen.
        train_prior (Tensor): Class frequencies of the training images, ``(K, )``.
        test_prior (Tensor): Class frequencies of the test, ``(K, )``.
        layer (Layer, optional): The last layer, if it is linear. Defaults to None,
            which leaves tau-normalisation out, and the layers of all others.
        score_scale (float): The factor that the loss puts on the scores, as that of
            LDAM does. Defaults to 1.

    Returns:
        list[Method]: The classifier as it was trained, then :data:`METHODS`.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import Outputs, post_hoc_methods
        >>> images = Outputs(torch.eye(2), torch.eye(2), torch.tensor([0, 1]))
        >>> prior = torch.tensor([0.9, 0.1])
        >>> [method.name for method in post_hoc_methods(images, images, prior, prior)]
        ... # doctest: +NORMALIZE_WHITESPACE
        ['as_trained', 'nearest_mean', 'logit_adjustment', 'prior_correction',
         'temperature']
    """
    plain = Candidate('', lambda images: images.logits)
    nearest = nearest_mean(train, len(train_prior))
    if layer is None:
        nearest = nearest._replace(
            candidates=[
                candidate._replace(layer=None) for candidate in nearest.candidates
            ]
        )
    methods = [
        Method('as_trained', [plain]),
        tau_norm(layer) if layer is not None else None,
        nearest,
        logit_adjustment(train_prior, layer, score_scale),
        prior_correction(train_prior, test_prior, layer, score_scale),
        temperature_scaling(val, layer),
    ]
    return [method for method in methods if method is not None]
