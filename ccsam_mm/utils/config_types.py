# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tells what a config builds (its ``type`` may be a name or a class), and holds."""

from typing import Any, Optional

from mmengine.registry import Registry


def class_of(cfg: dict, registry: Registry) -> Optional[type]:
    """Find the class that a config builds.

    Args:
        cfg (dict): The config.
        registry (Registry): Where its ``type`` is looked up, if that is a name.

    Returns:
        type | None: The class; None for an unknown name, a function and no type.

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
    """Whether it is an integer of at least so much; True and False are none.

    Args:
        value (Any): What a config has.
        least (int): The least valid integer. Defaults to 1.

    Returns:
        bool: Whether it is valid.

    Examples:
        >>> from ccsam_mm.utils.config_types import is_count
        >>> is_count(1), is_count(0), is_count(0, least=0), is_count('1')
        (True, False, True, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
