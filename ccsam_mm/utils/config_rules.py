# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks of a training config for mistakes that MMEngine finds late or never."""

import os.path as osp
from typing import Any, Callable, Dict, Optional, Tuple

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS

from .config_types import class_of, is_count, is_number
from .names import did_you_mean


class ConfigError(ValueError):
    """A mistake in a config, in one sentence that names the key."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _or_none(valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or valid(value)


_COUNT = (is_count, 'an integer >= 1')
_NUMBER = (is_number, 'a number >= 0')
_NUMBER_OR_NONE = (_or_none(is_number), 'a number >= 0')
_WORKERS = (lambda value: is_count(value, 0), 'an integer >= 0')
_INTERVAL = (
    _COUNT[0],
    'an integer >= 1 (--no-validate trains without validation)',
)

# Key: whether its value is valid, and what it must be.
RULES: Dict[str, Tuple[Callable[[Any], bool], str]] = {
    'work_dir': (_is_text, 'the name of a folder (as after --work-dir)'),
    'resume': (_is_flag, 'True or False (a checkpoint goes to load_from)'),
    'load_from': (_or_none(_is_text), 'the name of a checkpoint, or None'),
    'randomness.seed': (
        _or_none(lambda value: is_count(value, 0)),
        'an integer >= 0, or None',
    ),
    'train_cfg.max_epochs': _COUNT,
    'train_cfg.max_iters': _COUNT,
    'train_cfg.val_interval': _INTERVAL,
    'train_dataloader.batch_size': _COUNT,
    'val_dataloader.batch_size': _COUNT,
    'train_dataloader.num_workers': _WORKERS,
    'val_dataloader.num_workers': _WORKERS,
    'optim_wrapper.accumulative_counts': _COUNT,
    'optim_wrapper.clip_grad': (
        _or_none(lambda value: isinstance(value, dict)),
        'None or a dict, such as dict(max_norm=5)',
    ),
    'optim_wrapper.clip_grad.max_norm': (
        lambda value: is_number(value) and value > 0,
        'a number > 0',
    ),
    'optim_wrapper.optimizer.lr': _NUMBER,
    'optim_wrapper.optimizer.weight_decay': _NUMBER_OR_NONE,
    'model.head': (lambda head: head is not None, 'the config of a head'),
    'model.head.num_classes': _COUNT,
    'auto_scale_lr.base_batch_size': _COUNT,
}

_MISSING = object()


def check_config(cfg: Config) -> None:
    """Refuse values that no training can use.

    Only existing keys are checked; those of other wrappers, loops and models pass.

    Args:
        cfg (Config): The whole config.

    Raises:
        ConfigError: If a value is out of its range.
        FileNotFoundError: If ``load_from`` does not exist.
    """
    for key, (valid, wanted) in RULES.items():
        value = _value_at(cfg, key)
        # Missing keys have defaults.
        if value is not _MISSING and not valid(value):
            raise ConfigError(f'{key} is {value!r}: set it to {wanted}.')
    _check_optimizer(cfg)
    _check_precision(cfg)
    _check_sampler(cfg)
    _check_load_from(cfg)


def _value_at(cfg: dict, key: str) -> Any:
    for part in key.split('.'):
        if not isinstance(cfg, (dict, Config)) or part not in cfg:
            return _MISSING
        cfg = cfg[part]
    return cfg


def _check_optimizer(cfg: Config) -> None:
    """Refuse a wrapper without optimizer, and an unknown optimizer."""
    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict) or wrapper.get('constructor') is not None:
        return
    optimizer = wrapper.get('optimizer')
    if 'type' in wrapper and optimizer is None:
        raise ConfigError(
            'optim_wrapper has no optimizer: set optim_wrapper.optimizer, such as '
            "dict(type='SGD', lr=0.1)."
        )
    name = optimizer.get('type') if isinstance(optimizer, dict) else None
    if isinstance(name, str) and '.' not in name and OPTIMIZERS.get(name) is None:
        raise ConfigError(
            f"optim_wrapper.optimizer.type='{name}' is not a registered optimizer"
            f'{did_you_mean(name, OPTIMIZERS.module_dict)}.'
        )


def _check_precision(cfg: Config) -> None:
    """Refuse mixed precision where MMEngine has none."""
    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict) or get_device() not in ('cpu', 'mps'):
        return
    kind = class_of(wrapper, OPTIM_WRAPPERS)
    if isinstance(kind, type) and issubclass(kind, AmpOptimWrapper):
        raise ConfigError(
            f"optim_wrapper.type='{kind.__name__}' needs a GPU, but there is none: "
            "use the optimizer wrapper without 'Amp'."
        )


def _check_sampler(cfg: Config) -> None:
    """Refuse training images in the order of the data set, class by class."""
    loader = cfg.get('train_dataloader')
    if not isinstance(loader, dict) or loader.get('dataset') is None:
        return
    if loader.get('sampler') is None and loader.get('batch_sampler') is None:
        raise ConfigError(
            'train_dataloader.sampler is missing, so that the images would come in the '
            "order of the data set: set it to dict(type='DefaultSampler', "
            'shuffle=True).'
        )


def _check_load_from(cfg: Config) -> None:
    path: Optional[str] = cfg.get('load_from')
    if path and '://' not in path and not osp.isfile(osp.expanduser(path)):
        key = '--resume or load_from' if cfg.get('resume') else 'load_from'
        raise FileNotFoundError(
            f"'{path}' does not exist: give {key} the name of a checkpoint, or leave "
            'it out.'
        )
