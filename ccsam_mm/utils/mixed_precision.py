# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Mixed precision for wrappers of any name.

MMPretrain's ``--amp`` overwrites the type of the optimizer wrapper.
https://github.com/open-mmlab/mmpretrain/blob/main/tools/train.py (merge_args)
"""

from mmengine.device import get_device
from mmengine.registry import OPTIM_WRAPPERS


def amp_twin(wrapper_type):
    """Find the mixed-precision twin of an optimizer wrapper.

    Args:
        wrapper_type (str | type): Type of the configured wrapper.

    Returns:
        str: Name of its twin, ``Amp`` + its own name.

    Raises:
        ValueError: If no such twin is registered.
        RuntimeError: If there is no accelerator to run it.
    """
    name = wrapper_type if isinstance(wrapper_type, str) else wrapper_type.__name__
    scope, _, name = name.rpartition('.')
    twin = name if name.startswith('Amp') else f'Amp{name}'
    twin = f'{scope}.{twin}' if scope else twin
    if OPTIM_WRAPPERS.get(twin) is None:
        raise ValueError(
            f'--amp found no {twin} beside optim_wrapper.type {name}: leave out --amp, '
            'or register a wrapper of that name.'
        )
    if get_device() in ('cpu', 'mps'):
        raise RuntimeError(
            '--amp needs an accelerator, and PyTorch finds none on this machine: '
            'leave out --amp.'
        )
    return twin
