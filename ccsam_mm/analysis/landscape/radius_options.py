# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The perturbation norm that a config trains with."""

import inspect

from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS

from ccsam_mm.engine.optim_wrappers.ccsam_optim_wrapper import CCSAMMixin
from ccsam_mm.utils.config_types import class_of

KEYS = ('rho_scale', 'min_grad_norm', 'max_relative_norm')


def radius_options(cfg: Config) -> dict:
    """Read what sets the perturbation norm of Eq. 9 in a config of CC-SAM.

    Args:
        cfg (Config): The config.

    Returns:
        dict: ``rho_scale``, ``min_grad_norm`` and ``max_relative_norm``, with the
        defaults of ``CCSAMOptimWrapper``; empty for another optimizer wrapper.

    Examples:
        >>> from mmengine.config import Config
        >>> import ccsam_mm
        >>> from ccsam_mm.analysis.landscape import radius_options
        >>> wrapper = dict(type='CCSAMOptimWrapper', rho_scale=0.5)
        >>> radius_options(Config(dict(optim_wrapper=wrapper)))
        {'rho_scale': 0.5, 'min_grad_norm': 0.0, 'max_relative_norm': None}
    """
    wrapper = cfg.get('optim_wrapper') or {}
    kind = class_of(wrapper, OPTIM_WRAPPERS)
    if kind is None or not issubclass(kind, CCSAMMixin):
        return {}
    defaults = inspect.signature(CCSAMMixin.__init__).parameters
    return {key: wrapper.get(key, defaults[key].default) for key in KEYS}
