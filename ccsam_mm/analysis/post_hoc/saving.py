# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Writes a classifier without training as an ordinary checkpoint."""

import os.path as osp
from typing import List, Optional

import torch
from mmengine.runner import CheckpointLoader
from torch import nn

from ccsam_mm.evaluation.open_set.statistics_file import beside_checkpoint
from ccsam_mm.evaluation.post_hoc import METHODS, Layer
from ccsam_mm.evaluation.post_hoc.candidates import grid
from ccsam_mm.evaluation.post_hoc.nearest_mean import DISTANCES, NOT_LINEAR, VARIANTS
from ccsam_mm.utils.checkpoints import as_dict
from ccsam_mm.utils.files import whole_file
from ccsam_mm.utils.names import did_you_mean

from .choice import Result
from .last_layer import no_layer

_TAUS = [f'{tau:.1f}' for tau in grid()]
_VALUES = dict(
    tau_norm=_TAUS,
    logit_adjustment=_TAUS,
    nearest_mean=[f'{variant}_{d}' for variant in VARIANTS for d in DISTANCES],
)
_LINEAR = [name for name in _VALUES['nearest_mean'] if name not in NOT_LINEAR]


def check_save(name: str) -> None:
    """Refuse what cannot be saved whatever the classifier is.

    Args:
        name (str): The method, or a method and a value as ``tau_norm:0.7``.

    Raises:
        ValueError: If there is no such method or value, or no layer for it.

    Examples:
        >>> from ccsam_mm.analysis.post_hoc import check_save
        >>> check_save('tau_norm:0.7')
        >>> check_save('tau_nrm')
        Traceback (most recent call last):
        ValueError: --save tau_nrm is no method: did you mean 'tau_norm'?
    """
    method, colon, value = name.partition(':')
    if method not in METHODS:
        guess = did_you_mean(method, METHODS) or f': name one of {", ".join(METHODS)}.'
        raise ValueError(f'--save {name} is no method{guess}')
    values = _VALUES.get(method, [])
    if colon and value not in values:
        known = f'one of {", ".join(values)}' if values else 'no value'
        raise ValueError(f'--save {name}: give {method} {known}.')
    if value in NOT_LINEAR:
        raise ValueError(_not_linear(name))


def save_path(save: List[str], checkpoint: str, work_dir: str) -> str:
    """Name the file of ``--save METHOD OUT``, and refuse what cannot be saved.

    Args:
        save (list[str]): What :func:`check_save` takes, and the file, if it is given.
        checkpoint (str): The checkpoint that the classifier comes from.
        work_dir (str): The folder for the file if the checkpoint's own is not writable.

    Returns:
        str: The path.

    Raises:
        ValueError: If it cannot be saved, or would overwrite the checkpoint.
    """
    name, *given = save
    check_save(name)
    suffix = f'.{name.replace(":", "_")}.pth'
    path = given[0] if given else beside_checkpoint(checkpoint, suffix, work_dir)
    if osp.realpath(osp.expanduser(checkpoint)) == osp.realpath(path):
        raise ValueError(f'--save would overwrite {checkpoint}: name another file.')
    return path


def save_result(
    result: Result, model: nn.Module, layer_name: Optional[str], origin: str, path: str
) -> None:
    """Write the checkpoint, with the layer of a result instead of the last one.

    Args:
        result (Result): The result.
        model (nn.Module): The classifier.
        layer_name (str, optional): The name of its last linear layer in the head.
        origin (str): The checkpoint that the classifier comes from.
        path (str): The file to write.

    Raises:
        ValueError: If no linear layer predicts the same, or the classifier has none.
    """
    layer = result.chosen.layer
    if layer_name is None:
        raise ValueError(no_layer(result.name, model.head))
    if layer is None and result.method.name == 'nearest_mean':
        raise ValueError(_not_linear(f'nearest_mean:{result.chosen.name}'))
    if layer is None:
        raise ValueError(
            f'--save {result.name}: the test has no image of some class, whose bias '
            'would be infinite: give --test-prior numbers above 0.'
        )
    linear = model.head.get_submodule(layer_name)
    if linear.bias is None and layer.bias.any():
        raise ValueError(
            f'--save {result.name} needs a bias, which head.{layer_name} does not '
            'have: save tau_norm, temperature or nearest_mean:l2n_cosine.'
        )
    meta = CheckpointLoader.load_checkpoint(origin, map_location='cpu').get('meta')
    meta = dict(as_dict(meta))
    meta['post_hoc'] = dict(
        method=result.method.name,
        parameter=result.chosen.name,
        checkpoint=str(origin),
    )
    content = dict(meta=meta, state_dict=_weights(model, layer_name, layer))
    with whole_file(path) as new:
        torch.save(content, new)


def _weights(model: nn.Module, layer_name: str, layer: Layer) -> dict:
    weights = {k: v.detach().cpu() for k, v in model.state_dict().items()}
    for key, value in layer._asdict().items():
        name = f'head.{layer_name}.{key}'
        if name in weights:  # there may be no bias
            weights[name] = value.to(weights[name].dtype).clone()
    return weights


def _not_linear(name: str) -> str:
    return (
        f'--save {name} is no linear layer, since it gives each feature length one: '
        f'save {_or(f"nearest_mean:{each}" for each in _LINEAR)}.'
    )


def _or(words) -> str:
    words: List[str] = list(words)
    return f'{", ".join(words[:-1])} or {words[-1]}'
