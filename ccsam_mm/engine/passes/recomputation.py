# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Refuses what would recompute a forward during the backward pass."""

from contextlib import contextmanager

from torch.nn.modules.module import register_module_forward_pre_hook


@contextmanager
def refuse_recomputation(wrapper: str):
    """Refuse gradient checkpointing, seen by the modules that run in a backward pass.

    The backward of the perturbed pass would recompute activations from the unperturbed
    weights, and silently give another gradient.

    Args:
        wrapper (str): Name of the optimizer wrapper, for the message.
    """
    message = (
        f'{wrapper} cannot run a model twice with gradient checkpointing, because '
        'that recomputes activations after the perturbed pass, from the wrong weights: '
        'turn it off in the config (model.backbone.with_cp=False, or no '
        'activation_checkpointing).'
    )

    def refuse(module, args):
        raise RuntimeError(message)

    handle = register_module_forward_pre_hook(refuse)
    try:
        yield
    except RuntimeError as error:
        # Its reentrant form says so by itself.
        if 'torch.utils.checkpoint' in str(error):
            raise RuntimeError(message) from error
        raise
    finally:
        handle.remove()
