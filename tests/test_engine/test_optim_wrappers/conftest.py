# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmengine.optim import build_optim_wrapper


@pytest.fixture
def build_amp_wrapper(monkeypatch):
    """Builds a wrapper as if there were a GPU; its scaler works on the CPU."""
    module = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    monkeypatch.setattr(f'{module}.is_cuda_available', lambda: True)

    def build(model, config, init_scale=2.0**16):
        config = dict(config, optimizer=dict(type='SGD', lr=1.0))
        wrapper = build_optim_wrapper(model, config)
        wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=init_scale)
        return wrapper

    return build
