# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Stage 2 of CC-SAM (Zhou et al., CVPR 2023), section 3.2, Eq. 12-14."""

import functools
from typing import Union

from mmpretrain.models.heads import ClsHead, LinearClsHead
from mmpretrain.registry import MODELS

from .adversarial_feature_mixin import AdversarialFeatureMixin
from .stage1_head import argument_names, find_base_head, rename_linear


@MODELS.register_module()
class AdversarialFeatureHead(AdversarialFeatureMixin, LinearClsHead):
    r"""Head that also trains on adversarial features, for stage 2 of CC-SAM.

    With the features ``z`` of an image, which get no gradient, the clean loss
    :math:`L_S`, and epoch ``t`` of ``T``:

    .. math::
        z_{adv} = z + \lambda \frac{\nabla_z L_S}{\|\nabla_z L_S\|_2}, \qquad
        L = (1 - a) L_S(z) + a L_S(z_{adv}), \qquad
        a = \min(t / T, a_{max})

    The two terms are logged as ``loss_clean`` and ``loss_adv``, and ``a`` as
    ``adv_weight``. ``t`` counts from 1 and comes from MMEngine's message hub. Where
    the whole training is one epoch, as in iteration-based loops, iterations are
    counted instead. Outside a training loop, ``a`` is ``max_adv_weight``.

    The head works in full precision even under autocast. Any loss of MMPretrain is
    possible that is a mean over independent images. With soft labels, an image belongs
    to the class with the largest label weight.

    Args:
        num_classes (int): Number of categories.
        in_channels (int): Number of channels in the input feature map.
        adv_step (float): Length :math:`\lambda` of the step on the features.
            Defaults to 1.0.
        step_rule (str): ``'constant'``, or ``'log_frequency'`` for the rule of the
            authors' code, ``adv_step * log(n_max / n_c + 0.01) / 2`` for an image of
            a class with ``n_c`` training images. Defaults to ``'constant'``.
        grad_norm (str): What is normalised to length one: ``'sample'``, the gradient
            of each image, or ``'class'`` as in the authors' code, the gradients of
            a class's images in the batch together. Defaults to ``'sample'``.
        max_adv_weight (float): Largest weight :math:`a_{max}` of the adversarial
            term. Defaults to 1.0.
        reset_classifier (bool): Whether the linear layer keeps its new initialisation
            when the checkpoint of another head is loaded, such as that of stage 1. A
            checkpoint of this head with ``reset_classifier=True`` is always loaded
            completely. Defaults to False.
        class_counts (Sequence[int], optional): Training images per class, for
            ``'log_frequency'``. If None, those of the training data set.
            Defaults to None.
        adv_image_weight (str): Weights of the images in the adversarial loss:
            ``'equal'``, or ``'log_frequency'`` as in the authors' code, where the
            factor ``log(n_max / n_c + 0.01) / 2`` also weighs the loss. Defaults to
            ``'equal'``.
        base_head (str | type, optional): The class of stage 1's head, if that is
            not a plain linear one but ends in a linear layer. Its other arguments
            (in ``**kwargs``) stay as they are, its checkpoints load completely, and
            ``z`` is the input of the last layer. The layers before it are trained as
            well, unless the model freezes them, for example by ``frozen=('backbone',
            'neck', 'head.layers.0')`` of :class:`DecoupledClassifier`. If None, the
            arguments tell the class: ``mid_channels`` means ``StackedLinearClsHead``,
            ``hidden_dim`` ``VisionTransformerClsHead`` and ``dropout`` ``VigClsHead``.
            Defaults to None.
        **kwargs: Other arguments of the head, such as ``loss``.

    Examples:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from ccsam_mm.models.heads import AdversarialFeatureHead
        >>> head = AdversarialFeatureHead(num_classes=3, in_channels=4)
        >>> feats = (torch.randn(2, 4), )
        >>> data_samples = [DataSample().set_gt_label(c) for c in (0, 2)]
        >>> sorted(head.loss(feats, data_samples))
        ['adv_weight', 'loss_adv', 'loss_clean']
        >>> head = AdversarialFeatureHead(
        ...     num_classes=3, in_channels=4, mid_channels=[8])
        >>> [name for name, _ in head.named_parameters()][-1], head.last_linear
        ('layers.1.fc.bias', Linear(in_features=8, out_features=3, bias=True))
    """

    def __new__(cls, *args, base_head: Union[str, type, None] = None, **kwargs):
        """Make a head of stage 1's class, if that is not a plain linear one."""
        if cls is AdversarialFeatureHead:
            known = argument_names(*cls.__mro__[:2], LinearClsHead, ClsHead)
            base = find_base_head(base_head, kwargs, known)
            if base not in (LinearClsHead, AdversarialFeatureHead):
                return adversarial_head(base)(*args, **kwargs)
        return super().__new__(cls)

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        base_head: Union[str, type, None] = None,
        **kwargs,
    ):
        super().__init__(num_classes, in_channels=in_channels, **kwargs)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args):
        """Accept linear heads of other names, such as those of transformers."""
        rename_linear(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


@functools.cache
def adversarial_head(base: type) -> type:
    """Derive a class of heads that also trains on adversarial features.

    Args:
        base (type): A subclass of :class:`mmpretrain.models.ClsHead`.

    Returns:
        type: Its subclass with :class:`AdversarialFeatureMixin`.
    """
    if issubclass(base, AdversarialFeatureMixin):
        return base
    name = f'AdversarialFeatureHead[{base.__name__}]'
    return type(name, (AdversarialFeatureMixin, base), dict(__reduce__=_reduce))


def _reduce(head):
    """Copy and pickle the head by its base, because no module holds its class."""
    return _empty_head, (type(head).__mro__[2],), head.__dict__


def _empty_head(base: type):
    kind = adversarial_head(base)
    return kind.__new__(kind)
