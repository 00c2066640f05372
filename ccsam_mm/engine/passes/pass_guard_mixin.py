# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Refuses a training that would silently be plain SGD."""

from typing import Any

from mmengine.optim import OptimWrapper


class PassGuardMixin(OptimWrapper):
    """Refuses losses of forwards without a perturbed pass."""

    _passes: Any = None
    # The passes, and the number of their forwards, at the last update.
    _last_update = (None, 0)

    def update_params(self, *args, **kwargs) -> None:
        """Update the parameters, if the loss comes from a perturbed pass.

        Args:
            *args: Arguments of :meth:`mmengine.optim.OptimWrapper.update_params`.
            **kwargs: Its keyword arguments.
        """
        update = (self._passes, getattr(self._passes, 'num_forwards', 0))
        if not update[1] or update == self._last_update:
            raise RuntimeError(
                f'{type(self).__name__} saw no forward to repeat: let the '
                "model's train_step call `self(..., mode='loss')` within "
                '`optim_wrapper.optim_context(self)`, as mmengine.model.BaseModel '
                'does, or set optim_wrapper.type to OptimWrapper.'
            )
        self._last_update = update
        super().update_params(*args, **kwargs)
