# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Any

# Keys that do not change which images a data set has.
NO_IMAGES = ('pipeline', 'test_mode', 'lazy_init')


def images_of(config: Any) -> Any:
    """Reduce a data set's config to what determines its images, for comparisons.

    Args:
        config (Any): The config, or a value in it.

    Returns:
        Any: Dicts, lists and values.

    Examples:
        >>> from ccsam_mm.datasets.images_of_config import images_of
        >>> images_of(dict(type='DigitsLT', split='test', pipeline=[], test_mode=True))
        {'type': 'DigitsLT', 'split': 'test'}
    """
    if isinstance(config, (list, tuple)):
        return [images_of(value) for value in config]
    if not isinstance(config, dict):
        return config
    images = {k: images_of(v) for k, v in config.items() if k not in NO_IMAGES}
    if isinstance(images.get('unknown'), dict):
        images['unknown'] = [images['unknown']]
    return images
