# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Says which key of a config made MMEngine, MMPretrain or PyTorch fail."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional, Tuple

import mmengine.registry
import mmpretrain.registry
from mmengine.config import Config
from mmengine.registry import LOOPS, Registry
from mmengine.runner import Runner

from .config_rules import ConfigError
from .names import did_you_mean


@contextmanager
def named_keys(cfg: Config) -> Iterator[None]:
    """Turn errors whose cause in the config is known into one sentence.

    Args:
        cfg (Config): The whole config that is used within the context.

    Raises:
        ConfigError: Instead of such an error; all others pass as they are.
    """
    try:
        yield
    except Exception as error:
        for explain in (_unknown_type, _wrong_arguments, _wrong_sizes, _wrong_data):
            sentence = explain(error, cfg)
            if sentence:
                raise ConfigError(sentence) from error
        raise


def _unknown_type(error: Exception, cfg: Config) -> Optional[str]:
    """A name that no registry has."""
    found = re.match(r"'?(\S+) is not in the \S+?::(.+?) registry", str(error))
    if not found or not isinstance(error, KeyError):
        return None
    name, kind = found.groups()
    key = _find(cfg, lambda part: part.get('type') == name)
    known = set()
    for module in (mmengine.registry, mmpretrain.registry):
        for registry in vars(module).values():
            if isinstance(registry, Registry) and registry.name == kind:
                known |= _names(registry)
    advice = did_you_mean(name.rpartition('.')[2], known)
    advice = advice or ', and no similar name is: add its module to custom_imports.'
    return f"{_join(key, 'type')}='{name}' is not a registered {kind}{advice}"


def _names(registry: Registry) -> set:
    """The names of a registry and of its parents."""
    names = set(registry.module_dict)
    return names | _names(registry.parent) if registry.parent else names


def _wrong_arguments(error: Exception, cfg: Config) -> Optional[str]:
    """An unknown argument of a class, or a missing one."""
    pattern = (
        r"([\w.]+)\(\) (?:got an unexpected keyword argument '(\w+)'"
        r"|missing \d+ required positional arguments?: '(\w+)')"
    )
    found = re.match(pattern, str(error))
    if not found or not isinstance(error, TypeError):
        return None
    function, unknown, missing = found.groups()
    built = _built(error) or LOOPS.get(function.partition('.')[0])
    if built is not None:
        name, known = built.__name__, _arguments(built)
    elif function == 'clip_grad_norm_':
        name, known = 'optim_wrapper.clip_grad', {'max_norm', 'norm_type'}
    else:
        return None
    if unknown:
        part = _find(cfg, lambda part: unknown in part and _builds(part, built))
        if part is None or unknown in known:
            return None
        advice = did_you_mean(unknown, known) or f': it has {sorted(known)}.'
        return f"{_join(part, unknown)}: {name} has no argument '{unknown}'{advice}"
    part = _find(cfg, lambda part: missing not in part and _builds(part, built, True))
    if part is None:
        return None
    return f"{part} lacks '{missing}', which {name} needs: set {part}.{missing}."


def _built(error: Exception) -> Optional[Callable]:
    """The class that the innermost registry was building at the error."""
    built, traceback = None, error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == 'build_from_cfg':
            built = frame.f_locals.get('obj_cls', built)
        traceback = traceback.tb_next
    return built if inspect.isclass(built) or inspect.isfunction(built) else None


def _builds(part: dict, built: Optional[Callable], needs_type: bool = False) -> bool:
    """Whether a part of the config may be that of a class; some have no type."""
    kind = part.get('type')
    if kind is None:
        return not needs_type
    if built is None or kind is built:
        return True
    return isinstance(kind, str) and kind.rpartition('.')[2] == built.__name__


_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _arguments(built: Callable) -> set:
    """Names of arguments, also those that go to parents as ``**kwargs``."""
    functions = [built]
    if inspect.isclass(built):
        parents = [parent for parent in built.__mro__ if '__init__' in vars(parent)]
        functions = [parent.__init__ for parent in parents if parent is not object]
    known = set()
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        known |= {p.name for p in parameters if p.kind not in _ANY}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return known - {'self'}


def _wrong_sizes(error: Exception, cfg: Config) -> Optional[str]:
    """A head or a preprocessor for another number of channels."""
    if not isinstance(error, (RuntimeError, ValueError)):
        return None
    head = (cfg.get('model') or {}).get('head') or {}
    shapes = re.search(r'mat1 and mat2 shapes .*\(\d+x(\d+) and (\d+)x', str(error))
    if shapes and str(head.get('in_channels')) == shapes[2]:
        return (
            f'model.head.in_channels is {shapes[2]}, but the network before it gives '
            f'{shapes[1]} features per image: set it to {shapes[1]}.'
        )
    if 'Expected more than 1 value per channel when training' in str(error):
        size = cfg.train_dataloader.get('batch_size')
        return (
            'A batch of train_dataloader has one image, of which batch norm has no '
            'statistics: set train_dataloader.drop_last=True, or another '
            f'train_dataloader.batch_size than {size}.'
        )
    sizes = re.match(r'The size of tensor a \((\d+)\) must .* \((\d+)\)', str(error))
    if sizes and 'data_preprocessor.py' in _last_file(error):
        return (
            f'data_preprocessor.mean or data_preprocessor.std has {sizes[2]} numbers, '
            f'but the images have {sizes[1]} channels: set both to {sizes[1]} numbers.'
        )
    return None


def _wrong_data(error: Exception, cfg: Config) -> Optional[str]:
    """A pipeline that does not end as models need it."""
    if isinstance(error, KeyError) and error.args == ('inputs',):
        return (
            "train_dataloader or val_dataloader gives a model no 'inputs': end its "
            "dataset.pipeline with dict(type='PackInputs')."
        )
    return None


def _last_file(error: Exception) -> str:
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename


def _find(config: Any, matches: Callable[[dict], bool], key: str = '') -> Optional[str]:
    """Key of the first dict in a config that matches; None where there is none."""
    if isinstance(config, (dict, Config)):
        if isinstance(config, dict) and matches(config):
            return key
        parts: Tuple = tuple(config.items())
    elif isinstance(config, (list, tuple)):
        parts = tuple(enumerate(config))
    else:
        return None
    if not key:
        # The runner's sections come before a config's own variables.
        sections = inspect.signature(Runner).parameters
        parts = sorted(parts, key=lambda part: part[0] not in sections)
    for name, part in parts:
        found = _find(part, matches, _join(key, name))
        if found is not None:
            return found
    return None


def _join(key: Optional[str], name) -> str:
    return f'{key}.{name}' if key else str(name)
