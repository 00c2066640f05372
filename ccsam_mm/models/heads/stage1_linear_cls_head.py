# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The base of heads of stage 2 that build on stage 1's classifier."""

from mmpretrain.models.heads import LinearClsHead

from .stage1_head import rename_linear


class Stage1LinearClsHead(LinearClsHead):
    """A linear head that loads stage 1's linear layer, whatever its name.

    A subclass changes how scores follow from the features and the layer ``fc``. Its own
    parameters start from what it sets, since stage 1 has none.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Length of the features.
        **kwargs: Other arguments of :class:`mmpretrain.models.LinearClsHead`.
    """

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args):
        """Accept linear heads of other names, such as those of transformers."""
        rename_linear(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)
