# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from .focal_sam_mixin import FocalSAMMixin


@OPTIM_WRAPPERS.register_module()
class AmpFocalSAMOptimWrapper(FocalSAMMixin, AmpOptimWrapper):
    """:class:`FocalSAMOptimWrapper` under automatic mixed precision.

    The ascent gradient is taken under the loss scale, which is divided out again before
    its norm is computed, in float32.

    Args:
        loss_scale (float | str | dict): Settings of the gradient scaler. Defaults to
            ``'dynamic'``.
        dtype (str | torch.dtype, optional): Type of the autocast region. Defaults to
            None, the device's own.
        **kwargs: Arguments of :class:`FocalSAMOptimWrapper`.

    Examples:
        >>> import ccsam_mm
        >>> optim_wrapper = dict(
        ...     type='AmpFocalSAMOptimWrapper', dtype='bfloat16',
        ...     optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=2e-4),
        ...     gamma=3.0, sharpness_weight=0.5)
    """
