# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Models whose every weight comes from a checkpoint."""

import re
from typing import Optional, Union

from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.apis import get_model

from ccsam_mm.utils.loading.filled import load_filled


def build_filled_model(
    model: Union[BaseModel, str, Config], pretrained: Union[bool, str], **kwargs
) -> BaseModel:
    """Build a model and load its checkpoint, which has to fill it.

    Args:
        model (BaseModel | str | Config): As in ``OpenSetInferencer``.
        pretrained (str | bool): As in ``OpenSetInferencer``.
        **kwargs: Keyword arguments of :func:`mmpretrain.apis.get_model`.

    Returns:
        BaseModel: The model.

    Raises:
        ValueError: If a checkpoint is asked for, and nothing names one.
    """
    if isinstance(model, BaseModel):
        if isinstance(pretrained, str):
            load_filled(model, pretrained)
        return model
    mapping = kwargs.pop('url_mapping', None)
    model = get_model(model, pretrained=False, **kwargs)
    if pretrained is True:
        metainfo = model._metainfo  # of a model name
        pretrained = metainfo.weights if metainfo else model._config.get('load_from')
        if pretrained is None:
            raise ValueError(
                'OpenSetInferencer got no checkpoint, and neither config nor model '
                'name gives one: set `pretrained` to its path, or to False to predict '
                'with random weights.'
            )
    if pretrained:
        if mapping is not None:
            pretrained = re.sub(*mapping, pretrained)
        meta = load_filled(model, pretrained).get('meta') or {}
        if meta.get('dataset_meta'):
            model._dataset_meta = meta['dataset_meta']
        elif 'CLASSES' in meta:  # of MMClassification 0.x
            model._dataset_meta = dict(classes=meta['CLASSES'])
    return model


def used_checkpoint(cfg: Config, pretrained: Union[bool, str]) -> Optional[str]:
    """Name the checkpoint that was loaded, where that is known.

    Args:
        cfg (Config): The config of the model.
        pretrained (str | bool): As in ``OpenSetInferencer``.

    Returns:
        str, optional: The path of the checkpoint, or None.
    """
    if isinstance(pretrained, str):
        return pretrained
    return cfg.get('load_from') if pretrained is True else None
