# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What all optimizer wrappers with a perturbed pass share."""

from contextlib import contextmanager
from typing import Any

import torch.nn as nn
from mmengine.optim import OptimWrapper


class PassesMixin(OptimWrapper):
    """Adds a perturbed pass to training forwards, and refuses losses without one.

    A method derives from it and from an optimizer wrapper, and gives the passes of a
    model, which have a context manager ``watch()`` and a count ``num_forwards``.
    """

    _passes: Any = None
    # The passes, and the number of their forwards, at the last update.
    _last_update = (None, 0)

    def _find_passes(self, model: nn.Module):
        """The passes of a model, in ``self._passes``; made anew for another model."""
        raise NotImplementedError

    def initialize_count_status(self, model: nn.Module, *args, **kwargs) -> None:
        """Check the model now: a wrong config costs no training time."""
        super().initialize_count_status(model, *args, **kwargs)
        self._find_passes(model)

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Add a perturbed pass to every training forward within the context.

        Args:
            model (nn.Module): The training model, maybe inside
                :class:`mmengine.model.MMDistributedDataParallel`.
        """
        with super().optim_context(model), self._find_passes(model).watch():
            yield

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
