# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Keeps a training from being plain SGD without a word."""


class LookGuardMixin:
    """Refuses losses of forwards that nobody has looked at twice."""

    def update_params(self, *args, **kwargs) -> None:
        """Update the parameters, if the loss comes from two looks.

        Args:
            *args: Arguments of :meth:`mmengine.optim.OptimWrapper.update_params`.
            **kwargs: Its keyword arguments.
        """
        if self._looks is None or not self._looks.num_looks:
            raise RuntimeError(
                f'{type(self).__name__} saw no forward to look at twice: let the '
                "model's train_step call `self(..., mode='loss')` within "
                '`optim_wrapper.optim_context(self)`, as mmengine.model.BaseModel '
                'does, or set optim_wrapper.type to OptimWrapper.'
            )
        super().update_params(*args, **kwargs)
