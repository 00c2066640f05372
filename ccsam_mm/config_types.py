# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tells what a config builds; its ``type`` may be a name or a class."""

from typing import Optional

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
        >>> from ccsam_mm.config_types import class_of
        >>> class_of(dict(type='DigitsLT'), DATASETS).__name__
        'DigitsLT'
    """
    kind = cfg.get('type')
    kind = registry.get(kind) if isinstance(kind, str) else kind
    return kind if isinstance(kind, type) else None
