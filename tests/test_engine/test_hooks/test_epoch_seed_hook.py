# Copyright (c) ccsam_mm contributors. All rights reserved.
import random

import numpy as np
import pytest
import torch

from ccsam_mm.engine.hooks import EpochSeedHook, epoch_seed_hook

SEED, KILL = dict(type='EpochSeedHook'), dict(type='KillHook', epoch=2)


def loader(num_workers):
    if not num_workers:
        return {}
    return dict(
        num_workers=num_workers,
        persistent_workers=False,
        worker_init_fn=dict(type='epoch_worker_init_fn'),
    )


@pytest.mark.parametrize('num_workers', [0, 2])
def test_resumed_training_equals_an_undisturbed_one(make_runner, num_workers):
    """Same images, same augmentations, same dropout, same weights, bit for bit."""
    changes = dict(train_dataloader=loader(num_workers), train_cfg=dict(max_epochs=3))
    whole = make_runner('whole', custom_hooks=[SEED], **changes)
    whole.train()
    images = whole.model.seen
    assert len(images) == 9
    # Fractions are the augmentations: no epoch and no batch repeats one.
    assert len({round(value % 1, 6) for value in images}) == 9

    with pytest.raises(KeyboardInterrupt):
        make_runner('cut', custom_hooks=[KILL, SEED], **changes).train()
    resumed = make_runner('cut', custom_hooks=[SEED], resume=True, **changes)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # another history
    resumed.train()
    assert resumed.model.seen == images[6:]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])


def test_without_the_hook_a_resumed_training_differs(make_runner):
    """What the hook is for; if this fails, MMEngine needs it no more."""
    changes = dict(train_cfg=dict(max_epochs=3))
    whole = make_runner('whole', **changes)
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        make_runner('cut', custom_hooks=[KILL], **changes).train()
    resumed = make_runner('cut', resume=True, **changes)
    resumed.train()
    assert resumed.model.seen != whole.model.seen[6:]


class FakeRunner:
    """What the hook reads of a runner."""

    def __init__(self, seed, epoch):
        self.seed, self.epoch = seed, epoch


def test_seed_epoch_and_rank_each_count(monkeypatch):
    draws = set()
    for seed in range(3):
        for epoch in range(3):
            for rank in range(3):
                monkeypatch.setattr(epoch_seed_hook, 'get_rank', lambda r=rank: r)
                EpochSeedHook().before_train_epoch(FakeRunner(seed, epoch))
                draws.add((random.random(), np.random.rand(), torch.rand(1).item()))
    for generator in zip(*draws):
        assert len(set(generator)) == 27


def test_persistent_workers_get_a_warning(make_runner, tmp_path):
    workers = dict(loader(1), persistent_workers=True)
    runner = make_runner(
        custom_hooks=[dict(KILL, epoch=0), SEED], train_dataloader=workers
    )
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'set train_dataloader.persistent_workers to False' in log
