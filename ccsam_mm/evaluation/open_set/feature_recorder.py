# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Records the features and logits of a prediction."""

import inspect
from typing import Callable, List

import torch
from torch import Tensor, nn


class FeatureRecorder:
    """Passes the features and logits of a prediction to a callable.

    The logits are what the head's forward returns, the features what its final linear
    layer gets. Hooks on the modules record them. They serve one forward and are removed
    at its end, also after an error, so nothing has to be cleaned up.

    Args:
        model (nn.Module): A classifier of MMPretrain, without a wrapper for
            distributed training.
        receive (Callable): Called after each recorded prediction with the features
            ``(B, d)``, the logits ``(B, K)``, both in single precision at least, and
            the list of the data samples.

    Examples:
        >>> import torch
        >>> from mmpretrain.models import ImageClassifier
        >>> from ccsam_mm.evaluation.open_set import FeatureRecorder
        >>> model = ImageClassifier(
        ...     backbone=dict(type='CIFARResNet', depth=8),
        ...     neck=dict(type='GlobalAveragePooling'),
        ...     head=dict(type='LinearClsHead', num_classes=10, in_channels=64))
        >>> recorder = FeatureRecorder(model.eval(), lambda features, logits, samples:
        ...                         print(features.shape, logits.shape, len(samples)))
        >>> recorder.arm()
        >>> samples = model(torch.rand(2, 3, 8, 8), mode='predict')
        torch.Size([2, 64]) torch.Size([2, 10]) 2
    """

    def __init__(
        self, model: nn.Module, receive: Callable[[Tensor, Tensor, List], None]
    ):
        self.model = model
        self.head = getattr(model, 'head', None)
        self.linear = find_final_linear(model)
        self.receive = receive
        self._signature = inspect.signature(model.forward)
        self._handles = []

    def arm(self) -> None:
        """Record the next forward."""
        self.disarm()
        self._handles = [
            self.linear.register_forward_hook(self._after_linear),
            self.head.register_forward_hook(self._after_head),
            self.model.register_forward_hook(
                self._after_model, with_kwargs=True, always_call=True
            ),
        ]
        preprocessor = getattr(self.model, 'data_preprocessor', None)
        if preprocessor is not None:
            # Runs before the model's forward: an error in it would leave the hooks.
            handle = preprocessor.register_forward_hook(
                self._after_preprocessor, always_call=True
            )
            self._handles.append(handle)

    def disarm(self) -> None:
        """Remove all hooks and the recorded tensors."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._features = self._logits = None

    def _after_preprocessor(self, preprocessor, args, data):
        if data is None:
            self.disarm()

    def _after_linear(self, linear, args, output):
        self._features = args[0]

    def _after_head(self, head, args, output):
        self._logits = output

    def _after_model(self, model, args, kwargs, data_samples):
        features, logits = self._features, self._logits
        self.disarm()
        if data_samples is None:  # the forward has failed
            return
        called = self._signature.bind(*args, **kwargs).arguments
        if called.get('mode') == 'predict':
            self._check(features, logits, data_samples)
            self.receive(_precise(features), _precise(logits), data_samples)

    def _check(self, features, logits, data_samples) -> None:
        """Refuse a head that does more than its linear layer."""
        size = len(data_samples)
        if (
            not isinstance(logits, Tensor)
            or features is None
            or features.shape != (size, self.linear.in_features)
            or logits.shape != (size, self.linear.out_features)
            or not are_softmax(data_samples, logits)
        ):
            raise NotImplementedError(
                f'{type(self.head).__name__} does not predict the softmax of one '
                'vector of logits from its final linear layer, which open-set scores '
                "other than 'msp' need: set model.head.type to a head such as "
                "LinearClsHead, or `score='msp'` of OpenSetMetric."
            )


def find_final_linear(model: nn.Module) -> nn.Linear:
    """Find the linear layer of a head that has one output per class.

    Args:
        model (nn.Module): A classifier of MMPretrain.

    Returns:
        nn.Linear: The layer.
    """
    head = getattr(model, 'head', None)
    layers = [
        module
        for module in (head.modules() if isinstance(head, nn.Module) else ())
        if isinstance(module, nn.Linear)
        and module.out_features == getattr(head, 'num_classes', module.out_features)
    ]
    if len(layers) != 1:
        raise NotImplementedError(
            f'Open-set scores need a classifier whose head ends in one linear layer, '
            f'but {type(model).__name__} with the head {type(head).__name__} has '
            f'{len(layers)} of model.head.num_classes outputs: set model.head.type to '
            "a head such as LinearClsHead, or `score='msp'` of OpenSetMetric."
        )
    return layers[0]


def _precise(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32)).detach()


def are_softmax(data_samples: List, logits: Tensor) -> bool:
    """Whether the predicted probabilities are those of the logits.

    Args:
        data_samples (list): The outputs of the model.
        logits (Tensor): ``(B, K)``.

    Returns:
        bool: Whether they are, up to the rounding of their precision.
    """
    if not all('pred_score' in sample for sample in data_samples):
        return False
    predicted = torch.stack([sample.pred_score for sample in data_samples])
    atol = 1e-2 if torch.float16 in (predicted.dtype, logits.dtype) else 1e-4
    atol = 5e-2 if torch.bfloat16 in (predicted.dtype, logits.dtype) else atol
    expected = _precise(logits).softmax(dim=1)
    # NaN logits are accepted here: the measures report a diverged model.
    return torch.allclose(
        _precise(predicted), expected, rtol=0, atol=atol, equal_nan=True
    )
