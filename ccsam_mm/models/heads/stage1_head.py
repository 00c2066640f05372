# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Finds the class of stage 1's head, and adapts its checkpoint to that of stage 2."""

import difflib
import inspect
import logging
from typing import Iterable, Set, Union

from mmengine.logging import print_log
from mmpretrain.models.heads import ClsHead, EfficientFormerClsHead
from mmpretrain.registry import MODELS
from torch import nn

from ccsam_mm.utils.config_types import class_of

# A config of stage 2 inherits stage 1's head and replaces its type. These arguments
# identify the head of MMPretrain, the most specific first.
_HEAD_OF_ARGUMENT = dict(
    mid_channels='StackedLinearClsHead',
    dropout='VigClsHead',
    hidden_dim='VisionTransformerClsHead',
)


def find_base_head(
    base_head: Union[str, type, None], arguments: Iterable[str], known: Set[str]
) -> type:
    """Find the class of stage 1's head.

    Args:
        base_head (str | type, optional): The class or its registered name. If None,
            the arguments determine it.
        arguments (Iterable[str]): Names of the arguments in the config of the head.
        known (set[str]): Names of the arguments of a plain linear head.

    Returns:
        type: A subclass of :class:`mmpretrain.models.ClsHead`.

    Raises:
        TypeError: If an argument belongs to no known head.
        ValueError: If the class has a loss of its own, or is not a classification head.
    """
    foreign = [name for name in arguments if name not in known]
    told = [head for name, head in _HEAD_OF_ARGUMENT.items() if name in foreign]
    if base_head is None and foreign and not told:
        near = difflib.get_close_matches(foreign[0], known, n=1)
        advice = f', did you mean {near[0]!r}?' if near else ''
        raise TypeError(
            f'AdversarialFeatureHead has no argument {foreign[0]!r}{advice or ":"} '
            "If it belongs to stage 1's head, set model.head.base_head to the class "
            'of that head.'
        )
    name = base_head or (told[0] if told else 'LinearClsHead')
    base = class_of(dict(type=name), MODELS)
    if base is None or base is ClsHead or not issubclass(base, ClsHead):
        raise ValueError(
            f'model.head.base_head={name!r} is not a registered classification head: '
            "set it to the class of stage 1's head, which must derive from "
            "MMPretrain's ClsHead."
        )
    # The loss of this one is that of ClsHead in every case that MMPretrain can train.
    if base is not EfficientFormerClsHead and any(
        getattr(base, name) is not getattr(ClsHead, name)
        for name in ('loss', '_get_loss')
    ):
        raise ValueError(
            f'{base.__name__} has a loss of its own, which adversarial features would '
            'replace: keep it as model.head.type of stage 2, which then trains on '
            'clean features alone.'
        )
    return base


def argument_names(*classes: type) -> Set[str]:
    """Names of the arguments of constructors, without ``self``, args and kwargs."""
    return {
        parameter.name
        for kind in classes
        for parameter in inspect.signature(kind.__init__).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    } - {'self'}


def reset_last_linear(
    head: nn.Module, state_dict: dict, prefix: str, linear: str
) -> None:
    """Replace the last layer in another head's checkpoint by that of this head.

    Args:
        head (nn.Module): A head with the buffer ``classifier_was_reset``.
        state_dict (dict): The checkpoint, changed in place.
        prefix (str): What the names of the head's parameters begin with.
        linear (str): Name of the last layer.
    """
    if f'{prefix}classifier_was_reset' in state_dict:
        return
    state_dict[f'{prefix}classifier_was_reset'] = head.classifier_was_reset
    layer = head.get_submodule(linear)
    for name, parameter in layer.named_parameters(prefix=f'{prefix}{linear}'):
        state_dict[name] = parameter.detach()


def rename_linear(head: nn.Module, state_dict: dict, prefix: str) -> None:
    """Load a linear layer of any name into ``head.fc``.

    Args:
        head (nn.Module): A head with the layer ``fc`` alone.
        state_dict (dict): The checkpoint, changed in place if its head is one layer of
            the same shapes, such as MMPretrain's for vision transformers.
        prefix (str): What the names of the head's parameters begin with.
    """
    own = {f'{prefix}fc.{key}': value for key, value in head.fc.state_dict().items()}
    found = {key: value for key, value in state_dict.items() if key.startswith(prefix)}
    names = {key: key.rpartition('.')[2] for key in found}
    new = {key: f'{prefix}fc.{name}' for key, name in names.items()}
    if (
        prefix
        and len({key.rpartition('.')[0] for key in found}) == 1
        and set(new.values()) == set(own)
        and all(found[key].shape == own[new[key]].shape for key in found)
    ):
        for key in found:
            state_dict[new[key]] = state_dict.pop(key)


def warn_of_another_head(head: nn.Module, state_dict: dict, prefix: str) -> None:
    """Warn if a checkpoint lacks weights that a head needs.

    Args:
        head (nn.Module): The head.
        state_dict (dict): The checkpoint.
        prefix (str): What the names of the head's parameters begin with.
    """
    given = [name for name in state_dict if prefix and name.startswith(prefix)]
    lacking = [n for n, _ in head.named_parameters() if f'{prefix}{n}' not in given]
    if given and lacking:
        print_log(
            f'The checkpoint has another head than {type(head).__name__} '
            f'({given[0]!r}, but no {prefix + lacking[0]!r}), and the missing weights '
            'are not trained yet: set model.head.base_head to the class of the head of '
            'stage 1.',
            'current',
            logging.WARNING,
        )
