# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What optimizer wrappers share that run the whole model again on a batch."""

from typing import Dict, Optional

import torch.nn as nn
from torch import Tensor

from .model_passes import ModelPasses
from .passes_mixin import PassesMixin
from .perturbed_parameters import refuse_nested_wrappers, unwrap_model
from .recomputation import refuse_recomputation


class ModelPassesMixin(PassesMixin):
    """Adds passes of the whole model, with other values of the trained parameters.

    A method derives from it and from an optimizer wrapper, and gives the losses.
    """

    def backward(self, loss: Tensor, **kwargs) -> None:
        """Differentiate the loss, unless that would use the wrong weights.

        Args:
            loss (Tensor): The loss of the current iteration.
            **kwargs: Keyword arguments of :meth:`torch.Tensor.backward`.
        """
        with refuse_recomputation(type(self).__name__):
            super().backward(loss, **kwargs)

    def _find_passes(self, model: nn.Module) -> ModelPasses:
        name = type(self).__name__
        network = unwrap_model(model, name)
        if self._passes is None or self._passes.model is not network:
            refuse_nested_wrappers(network, name)
            if getattr(model, 'static_graph', False):
                raise ValueError(
                    f'{name} runs a model again in a step, which DDP with a static '
                    'graph cannot follow: set model_wrapper_cfg.static_graph=False.'
                )
            self._passes = ModelPasses(network, self._new_losses)
        return self._passes

    def _new_losses(self, first: Dict, passes: ModelPasses) -> Optional[Dict]:
        """Losses in place of those of the clean pass."""
        total, _ = passes.model.parse_losses(first)
        trained = {
            id(p) for group in self.optimizer.param_groups for p in group['params']
        }
        parameters = {
            name: parameter
            for name, parameter in passes.model.named_parameters()
            if parameter.requires_grad and id(parameter) in trained
        }
        if not parameters or not total.requires_grad:
            return None
        return self._both_passes(first, total, parameters, passes)

    def _both_passes(
        self, first: Dict, total: Tensor, parameters: Dict, passes: ModelPasses
    ) -> Dict:
        """Losses of the perturbed passes, and the other entries of the clean one.

        Args:
            first (Dict): What the clean pass returned.
            total (Tensor): Its loss, a scalar.
            parameters (Dict[str, Tensor]): The trained parameters by name.
            passes (ModelPasses): The passes of the model.

        Returns:
            Dict: What the model returns instead.
        """
        raise NotImplementedError
