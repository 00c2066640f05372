# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Makes the configs of this package known to MMPretrain's ``get_model`` by name."""

from pathlib import Path

from mmpretrain.apis import ModelHub

PACKAGE = Path(__file__).parents[1]
# Where setup.py puts it into wheels for MIM, and where it lies in a clone.
FOLDERS = (PACKAGE / '.mim', PACKAGE.parent)


def register_models() -> None:
    """Register the models of ``model-index.yml``.

    ``import ccsam_mm`` does that. Then ``mmpretrain.get_model``, ``list_models`` and
    ``inference_model``, which serves named models only, know each config by its name.

    Examples:
        >>> import ccsam_mm
        >>> from mmpretrain import list_models
        >>> list_models('places_lt_r152_stage')
        ['places_lt_r152_stage1', 'places_lt_r152_stage2']
    """
    for folder in FOLDERS:
        index = folder / 'model-index.yml'
        if index.exists():
            ModelHub.register_model_index(index, config_prefix=folder)
            return
