# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Scores shifted by class.

`Logit adjustment <https://arxiv.org/abs/2007.07314>`_, and PC-softmax of `LADE
<https://arxiv.org/abs/2012.00321>`_.
"""

from typing import Optional

import torch
from torch import Tensor

from .candidates import Candidate, Layer, Method, grid


def logit_shift(
    train_prior: Tensor, tau: float = 1.0, test_prior: Optional[Tensor] = None
) -> Tensor:
    r"""What is added to the scores.

    .. math:: -\tau \log \pi^{train}_c + \log \pi^{test}_c

    Args:
        train_prior (Tensor): Class frequencies of the training images, ``(K, )``.
        tau (float): :math:`\tau`. Defaults to 1.0.
        test_prior (Tensor, optional): Class frequencies of the test, ``(K, )``.
            Defaults to None, equal ones, which change no prediction and are left out.

    Returns:
        Tensor: ``(K, )``; -inf for a class that the test does not have.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.post_hoc import logit_shift
        >>> prior = torch.tensor([0.5, 0.5])
        >>> logit_shift(prior, tau=1.0, test_prior=prior).tolist()
        [0.0, 0.0]
    """
    shift = -tau * train_prior.log()
    return shift if test_prior is None else shift + test_prior.log()


def logit_adjustment(
    train_prior: Tensor, layer: Optional[Layer] = None, score_scale: float = 1.0
) -> Method:
    r"""Logit adjustment after the training, which favours rare classes.

    Args:
        train_prior (Tensor): Class frequencies of the training images, ``(K, )``.
        layer (Layer, optional): The last layer, if it is linear. Defaults to None.
        score_scale (float): The factor that the loss puts on the scores. Defaults to 1.

    Returns:
        Method: With :math:`\tau` from 0 to 2.
    """
    return Method(
        'logit_adjustment',
        [
            _shifted(f'{t:.1f}', logit_shift(train_prior, t) / score_scale, layer, t)
            for t in grid()
        ],
    )


def prior_correction(
    train_prior: Tensor,
    test_prior: Tensor,
    layer: Optional[Layer] = None,
    score_scale: float = 1.0,
) -> Method:
    """PC-softmax: the training's class frequencies are replaced by those of the test.

    Args:
        train_prior (Tensor): Class frequencies of the training images, ``(K, )``.
        test_prior (Tensor): Class frequencies of the test, ``(K, )``.
        layer (Layer, optional): The last layer, if it is linear. Defaults to None.
        score_scale (float): The factor that the loss puts on the scores. Defaults to 1.

    Returns:
        Method: With one candidate.
    """
    shift = logit_shift(train_prior, 1.0, test_prior) / score_scale
    return Method('prior_correction', [_shifted('', shift, layer)])


def _shifted(
    name: str, shift: Tensor, layer: Optional[Layer], value: Optional[float] = None
) -> Candidate:
    def scores(images):
        return images.logits + shift.to(images.logits.dtype)

    if layer is not None:
        bias = (layer.bias.double() + shift).to(layer.bias.dtype)
        layer = Layer(layer.weight, bias) if bool(torch.isfinite(bias).all()) else None
    return Candidate(name, scores, layer, value)
