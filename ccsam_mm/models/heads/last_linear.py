# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the linear layer that computes a head's scores, and its input."""

from typing import Any

from torch import Tensor, nn

_REMEDY = (
    "keep the type of stage 1's head in stage 2, which then trains on clean features "
    'alone, or take a head such as LinearClsHead in both'
)


def find_last_linear(
    head: nn.Module,
    num_classes: int,
    user: str = 'adversarial features',
    remedy: str = _REMEDY,
) -> str:
    """Name of a head's last linear layer with an output per class.

    Args:
        head (nn.Module): The head.
        num_classes (int): Number of categories.
        user (str): What needs the layer, for the message. Defaults to
            ``'adversarial features'``.
        remedy (str): What to do without one, for the message.

    Returns:
        str: The name, such as ``'fc'``.

    Raises:
        ValueError: If there is no such layer.
    """
    names = [
        name
        for name, module in head.named_modules()
        if isinstance(module, nn.Linear)
        and type(module).forward is nn.Linear.forward
        and module.out_features == num_classes
        and not name.startswith('loss_module')
    ]
    if not names:
        raise ValueError(
            f'{type(head).__name__} has no linear layer with model.head.num_classes='
            f'{num_classes} outputs, which {user} cannot do without: {remedy}.'
        )
    return names[-1]


def last_features(head: nn.Module, linear: nn.Linear, feats: Any) -> Tensor:
    """Run a head as far as its last linear layer.

    Args:
        head (nn.Module): The head.
        linear (nn.Linear): Its last linear layer.
        feats (Any): The input of the head, tensors in any nesting of lists and tuples.
            They get no gradient; layers of the head before the last one do.

    Returns:
        Tensor: The input of the layer, ``(num_samples, in_features)``, in the precision
        of its weight.

    Raises:
        ValueError: If the input is anything else, or the output is not the scores.
    """
    seen = {}

    def before(_, args):
        features = _checked(head, args[0]).to(linear.weight.dtype)
        seen.update(features=features)
        return (features,)

    def after(_, args, output):
        seen.update(scores=output, version=output._version)

    handles = (
        linear.register_forward_pre_hook(before),
        linear.register_forward_hook(after),
    )
    try:
        # Not head(...), whose hooks and wrappers expect a call that ends in a loss.
        scores = type(head).forward(head, _detached(feats))
    finally:
        for handle in handles:
            handle.remove()
    if scores is not seen.get('scores') or scores._version != seen['version']:
        raise ValueError(
            f'The scores of {type(head).__name__} are not the output of its last '
            'linear layer alone (it averages several layers, or scales them), which '
            f'adversarial features do not support: {_REMEDY}.'
        )
    return seen['features']


def _checked(head: nn.Module, features: Any) -> Tensor:
    """Refuse anything but one feature vector per image."""
    if isinstance(features, Tensor) and features.ndim == 2:
        return features
    if isinstance(features, Tensor):
        got, advice = f'a tensor of shape {tuple(features.shape)}', ''
        if features.ndim == 4:
            advice = "set model.neck=dict(type='GlobalAveragePooling'), or "
    else:
        got, advice = f'a {type(features).__name__} of {len(features)}', ''
    raise ValueError(
        f'{type(head).__name__} needs one feature vector per image, but gets {got}: '
        f"{advice}set model.head.base_head to the class of stage 1's head, or "
        'keep its type in stage 2, which then trains on clean features alone.'
    )


def _detached(feats: Any) -> Any:
    if isinstance(feats, (list, tuple)):
        return type(feats)(map(_detached, feats))
    return feats.detach() if isinstance(feats, Tensor) else feats
