# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The class that a config builds, and checks of its values."""

from typing import Any, Optional

from mmengine.registry import Registry


def class_of(cfg: dict, registry: Registry) -> Optional[type]:
    """Find the class that a config builds.

    Args:
        cfg (dict): The config.
        registry (Registry): Where its ``type`` is looked up, if that is a name.

    Returns:
        type | None: The class; None for an unknown name, a function or a missing type.

    Examples:
        >>> from mmpretrain.registry import DATASETS
        >>> from ccsam_mm.utils.config_types import class_of
        >>> class_of(dict(type='DigitsLT'), DATASETS).__name__
        'DigitsLT'
    """
    kind = cfg.get('type')
    kind = registry.get(kind) if isinstance(kind, str) else kind
    return kind if isinstance(kind, type) else None


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a value is an integer of at least ``least``; True and False are not.

    Args:
        value (Any): The value in a config.
        least (int): The least valid integer. Defaults to 1.

    Returns:
        bool: Whether it is valid.

    Examples:
        >>> from ccsam_mm.utils.config_types import is_count
        >>> is_count(1), is_count(0), is_count(0, least=0), is_count('1')
        (True, False, True, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: Any) -> bool:
    """Whether a value is a finite number >= 0; True and False are not.

    Args:
        value (Any): The value in a config.

    Returns:
        bool: Whether it is valid.

    Examples:
        >>> from ccsam_mm.utils.config_types import is_number
        >>> is_number(0.5), is_number(0), is_number(-1), is_number(float('nan'))
        (True, True, False, False)
    """
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and 0 <= value < float('inf')
