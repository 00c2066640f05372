# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Keeps a training from being plain SGD without a word."""


class PassGuardMixin:
    """Refuses losses of forwards that nobody has looked at twice."""

    # The looks, and how many there had been, at the last update.
    _last_update = (None, 0)

    def update_params(self, *args, **kwargs) -> None:
        """Update the parameters, if the loss comes from two looks.

        Args:
            *args: Arguments of :meth:`mmengine.optim.OptimWrapper.update_params`.
            **kwargs: Its keyword arguments.
        """
        update = (self._passes, getattr(self._passes, 'num_forwards', 0))
        if not update[1] or update == self._last_update:
            raise RuntimeError(
                f'{type(self).__name__} saw no forward to look at twice: let the '
                "model's train_step call `self(..., mode='loss')` within "
                '`optim_wrapper.optim_context(self)`, as mmengine.model.BaseModel '
                'does, or set optim_wrapper.type to OptimWrapper.'
            )
        self._last_update = update
        super().update_params(*args, **kwargs)
