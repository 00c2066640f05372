# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from .ccsam_mixin import CCSAMMixin


@OPTIM_WRAPPERS.register_module()
class AmpCCSAMOptimWrapper(CCSAMMixin, AmpOptimWrapper):
    """:class:`CCSAMOptimWrapper` under automatic mixed precision.

    Features and logits come from the autocast region; norms, Gram matrices and logit
    gradients are computed in float32, before the loss is scaled.

    Args:
        loss_scale (float | str | dict): Settings of the gradient scaler. Defaults to
            ``'dynamic'``.
        dtype (str | torch.dtype, optional): Type of the autocast region. Defaults to
            None, the device's own.
        **kwargs: Arguments of :class:`CCSAMOptimWrapper`.

    Examples:
        >>> import ccsam_mm
        >>> optim_wrapper = dict(
        ...     type='AmpCCSAMOptimWrapper', dtype='bfloat16',
        ...     optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=2e-4),
        ...     perturb='head', rho_scale=0.03, max_relative_norm=0.1)
    """
