# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Each kind of damage ends in an older checkpoint, said aloud, or in one sentence."""

import shutil
from pathlib import Path

import pytest
import torch
from damaged_checkpoints import DAMAGED, LOADABLE

from ccsam_mm.engine.hooks import CheckLoadedHook
from ccsam_mm.utils.loading.resume import choose_resumed, saved_checkpoints

KEEP = dict(checkpoint=dict(max_keep_ckpts=2))
HOOK = dict(type='LoadStage1Hook')


@pytest.fixture
def trained(make_runner, tmp_path, monkeypatch):
    """A work directory with the checkpoints of epochs 1 and 2."""
    monkeypatch.chdir(tmp_path)
    make_runner('work_dirs/tiny_stage1', default_hooks=KEEP).train()
    folder = tmp_path / 'work_dirs' / 'tiny_stage1'
    assert saved_checkpoints(str(folder)) == [f'{folder}/epoch_{i}.pth' for i in (2, 1)]
    return folder


def log_of(runner):
    return Path(f'{runner.log_dir}/{runner.timestamp}.log').read_text()


def resume(make_runner, is_named=False, **changes):
    changes = dict(dict(resume=True, train_cfg=dict(max_epochs=3)), **changes)
    runner = make_runner('work_dirs/tiny_stage1', default_hooks=KEEP, **changes)
    runner.register_hook(CheckLoadedHook())
    choose_resumed(runner, is_named)
    runner.train()
    return runner


def one_sentence(error, path):
    assert str(path) in str(error.value) and len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize('kind', DAMAGED)
def test_resume_takes_the_newest_whole_one_or_says_why_not(make_runner, trained, kind):
    damage, why = DAMAGED[kind]
    newest, older = trained / 'epoch_2.pth', trained / 'epoch_1.pth'
    damage(newest)
    if kind == 'directory':  # the training would fail to save
        with pytest.raises(RuntimeError, match=f'{why}.*: move it') as error:
            resume(make_runner)
        one_sentence(error, newest)
        return
    runner = resume(make_runner)
    assert len(runner.model.seen) == 6 and runner.epoch == 3  # epochs 2 and 3
    (warning,) = (line for line in log_of(runner).splitlines() if 'WARNING' in line
                  and 'Not resumed from the newest' in line)  # fmt: skip
    assert str(newest) in warning
    assert not (trained / 'pwned').exists()

    # The user's own choice is not replaced by another one.
    named = trained.parent / 'named.pth'
    shutil.copy(trained / 'epoch_3.pth', named)
    damage(named)
    with pytest.raises(RuntimeError, match=why) as error:
        resume(make_runner, True, load_from=str(named))
    assert '--resume' in one_sentence(error, named)

    # Nothing is left.
    for path in saved_checkpoints(str(trained)):
        Path(path).unlink()
    shutil.copy(named, newest)
    older.write_bytes(b'')
    (trained / 'last_checkpoint').write_text(str(newest))
    with pytest.raises(
        RuntimeError, match=f'{why}.*1 older ones are no better'
    ) as error:
        resume(make_runner)
    one_sentence(error, newest)


@pytest.mark.parametrize('kind', DAMAGED)
def test_stage_2_starts_from_a_whole_one_or_says_why_not(make_runner, trained, kind):
    damage, why = DAMAGED[kind]
    newest, older = trained / 'epoch_2.pth', trained / 'epoch_1.pth'
    damage(newest)

    def stage2(**changes):
        name = dict(filename='configs/tiny_stage2.py')
        hook = dict(HOOK, **changes)
        runner = make_runner('work_dirs/tiny_stage2', custom_hooks=[hook], **name)
        runner.train()
        return runner._load_from

    if kind in (*LOADABLE, 'not_finite'):
        assert stage2() == str(newest)
        return
    assert stage2() == str(older)
    with pytest.raises((FileNotFoundError, RuntimeError), match=why) as error:
        stage2(stage1=str(newest))
    if kind != 'directory':
        assert 'load_stage1.stage1' in one_sentence(error, newest)
    older.write_bytes(b'')
    with pytest.raises(RuntimeError, match=why) as error:
        stage2()
    assert 'tools/train.py configs/tiny_stage1.py' in one_sentence(error, newest)
    assert not (trained / 'pwned').exists()


@pytest.mark.parametrize('record', [None, b'', b'/elsewhere/epoch_9.pth', b'\xff\xfe'])
def test_a_damaged_record_of_the_last_checkpoint(make_runner, trained, record):
    """It is written after the checkpoint, and may be lost with the machine."""
    path = trained / 'last_checkpoint'
    path.unlink() if record is None else path.write_bytes(record)
    runner = resume(make_runner)
    assert len(runner.model.seen) == 3
    assert f'Resuming from {trained}/epoch_2.pth' in log_of(runner)


def test_the_order_of_checkpoints(tmp_path):
    """One beyond the record is not known to be of this training."""
    for name in ('epoch_2', 'epoch_10', 'epoch_9', 'epoch_12', 'best_acc_epoch_3'):
        (tmp_path / f'{name}.pth').touch()
    (tmp_path / 'epoch_10.open_set.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_10.pth'))
    names = [Path(path).stem for path in saved_checkpoints(str(tmp_path))]
    assert names == ['epoch_10', 'epoch_9', 'epoch_2', 'epoch_12']
    assert saved_checkpoints(str(tmp_path / 'none')) == []


def test_nothing_to_resume_begins_anew(make_runner, tmp_path):
    runner = resume(make_runner)
    assert len(runner.model.seen) == 9


def test_another_models_checkpoint_is_no_training_to_resume(make_runner, trained):
    path = trained / 'epoch_2.pth'
    content = torch.load(path)
    for change, message in (
        (lambda n, w: (f'encoder.{n}', w), 'fills 0 of 2 names'),
        (lambda n, w: (n, w[:2]), 'saved with size'),
    ):
        weights = dict(change(n, w) for n, w in content['state_dict'].items())
        torch.save(dict(content, state_dict=weights), path)
        with pytest.raises(RuntimeError, match=f'{message}.*without `resume`') as error:
            resume(make_runner)
        one_sentence(error, path)


def test_load_from_needs_a_name_in_common(make_runner, trained):
    path = trained / 'epoch_2.pth'
    weights = torch.load(path)['state_dict']
    torch.save({'fc.bias': weights['fc.bias']}, path)
    resume(make_runner, resume=False, load_from=str(path))
    torch.save({'fc': weights['fc.bias']}, path)
    with pytest.raises(RuntimeError, match="fills 0 of 2 .*'fc.weight'.*holds 'fc'"):
        resume(make_runner, resume=False, load_from=str(path))


def test_a_test_needs_every_name(make_runner, trained):
    path = trained / 'epoch_2.pth'
    weights = torch.load(path)['state_dict']

    def run(**state_dict):
        torch.save(dict(state_dict=state_dict), path)
        runner = make_runner('out', load_from=str(path))
        runner.register_hook(CheckLoadedHook())
        runner.test()

    run(**weights)
    wrong = {
        "1 of 2 names; the first missing one is 'fc.bias'": {
            'fc.weight': weights['fc.weight']
        },
        'fills 0 of 2 names': {},
        'saved with size': {**weights, 'fc.bias': torch.ones(7)},
        'layers that the model does not have': {
            **weights,
            'fc.0.weight': torch.ones(7),
        },
    }
    for message, state_dict in wrong.items():
        with pytest.raises(RuntimeError, match=message) as error:
            run(**state_dict)
        one_sentence(error, path)
