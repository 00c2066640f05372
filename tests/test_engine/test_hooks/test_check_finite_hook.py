# Copyright (c) ccsam_mm contributors. All rights reserved.
import re

import pytest
import torch
from mmengine.runner.checkpoint import _load_checkpoint

from ccsam_mm.engine.hooks import CheckFiniteHook

HOOK = [dict(type='CheckFiniteHook')]


def saved_checkpoints(folder):
    """Names of the checkpoints in a work directory, all of which are finite."""
    paths = sorted(folder.glob('*.pth'))
    for path in paths:
        state = _load_checkpoint(str(path))['state_dict']
        assert all(torch.isfinite(tensor).all() for tensor in state.values())
    return [path.name for path in paths]


def test_finite_training_is_left_alone(make_runner, tmp_path):
    make_runner(custom_hooks=HOOK).train()
    assert saved_checkpoints(tmp_path / 'run') == ['epoch_2.pth']


def test_bad_loss_names_iteration_checkpoint_and_remedy(make_runner, tmp_path):
    runner = make_runner(custom_hooks=HOOK, model=dict(bad_loss_at=5))
    good = re.escape(str(tmp_path / 'run/epoch_1.pth'))
    message = (
        rf'loss is nan at iteration 5 \(epoch 2\).*{good}.*lr.*rho_scale.*clip_grad'
    )
    with pytest.raises(RuntimeError, match=message):
        runner.train()
    assert saved_checkpoints(tmp_path / 'run') == ['epoch_1.pth']


def test_interval_is_kept_but_for_the_end_of_an_epoch(make_runner, tmp_path):
    hook = [dict(HOOK[0], interval=50)]
    runner = make_runner(custom_hooks=hook, model=dict(bad_loss_at=1))
    with pytest.raises(RuntimeError, match='iteration 3 .*Last good.*: none yet'):
        runner.train()
    assert saved_checkpoints(tmp_path / 'run') == []


@pytest.mark.parametrize('last_iter_of_epoch', [3, 6])
def test_bad_weights_are_never_written(make_runner, tmp_path, last_iter_of_epoch):
    """The loss is finite, and the one checkpoint kept survives."""
    runner = make_runner(
        custom_hooks=HOOK, model=dict(bad_weights_at=last_iter_of_epoch)
    )
    message = (
        rf"weights 'fc.weight' are not finite after iteration {last_iter_of_epoch}\."
    )
    with pytest.raises(RuntimeError, match=message):
        runner.train()
    expected = ['epoch_1.pth'] if last_iter_of_epoch == 6 else []
    assert saved_checkpoints(tmp_path / 'run') == expected


@pytest.mark.parametrize('bad, kept', [(4, 'iter_2.pth'), (5, 'iter_4.pth')])
def test_bad_weights_in_iteration_based_training(make_runner, tmp_path, bad, kept):
    runner = make_runner(
        custom_hooks=HOOK,
        model=dict(bad_weights_at=bad),
        train_dataloader=dict(batch_size=2),  # or MMEngine sleeps between epochs
        train_cfg=dict(_delete_=True, by_epoch=False, max_iters=5),
        default_hooks=dict(checkpoint=dict(by_epoch=False, interval=2)),
    )
    with pytest.raises(RuntimeError, match=f'after iteration {bad}.*{kept}'):
        runner.train()
    assert saved_checkpoints(tmp_path / 'run') == [kept]


def test_saving_bad_weights_by_hand_is_refused(make_runner, tmp_path):
    runner = make_runner(custom_hooks=HOOK)
    runner.train()
    with torch.no_grad():
        runner.model.fc.bias[1] = float('inf')
    with pytest.raises(RuntimeError, match="'fc.bias'"):
        runner.save_checkpoint(str(tmp_path / 'run'), 'by_hand.pth')
    assert saved_checkpoints(tmp_path / 'run') == ['epoch_2.pth']


def test_wrong_interval():
    with pytest.raises(ValueError, match='interval=0'):
        CheckFiniteHook(interval=0)
