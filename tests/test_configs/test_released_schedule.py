# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The learning rates of the released setting, against the authors' formula."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpretrain.registry import PARAM_SCHEDULERS

CONFIGS = Path(__file__).parents[2] / 'configs'
RELEASED = sorted(
    str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*_stage1_released.py')
)


def rate_of_the_authors(epoch):
    """Warm-up from a third, and steps at 160 and 180, of a counter that is ahead."""
    count = epoch + 1
    progress = min(count / 5, 1)
    factor = (1 - progress) / 3 + progress
    return 0.1 * factor * 0.1 ** ((count >= 160) + (count >= 180))


@pytest.mark.parametrize('config', RELEASED)
def test_rates_of_stage1(config):
    cfg = Config.fromfile(CONFIGS / config)
    options = {k: v for k, v in cfg.optim_wrapper.optimizer.items() if k != 'type'}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], **options)
    schedulers = [
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=optimizer))
        for scheduler in cfg.param_scheduler
    ]
    for epoch in range(cfg.train_cfg.max_epochs):
        rate = optimizer.param_groups[0]['lr']
        assert rate == pytest.approx(rate_of_the_authors(epoch), rel=1e-9), epoch
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert epoch == 199
