# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The hook in MMEngine's runner, on digits of which two are unknown."""

import os
import subprocess
import sys
from pathlib import Path

import open_digits
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from open_digits import SCORES

from ccsam_mm.datasets import DigitsLT
from ccsam_mm.evaluation.open_set import ClassStatistics, score_function

TRAIN_SIZE, TEST_SIZE = 337, 500


@pytest.fixture(scope='module')
def model():
    return open_digits.train_model()


@pytest.fixture
def checkpoint(model, tmp_path):
    path = tmp_path / 'run' / 'epoch_1.pth'
    path.parent.mkdir()
    open_digits.save_checkpoint(model, path)
    return path


@pytest.fixture
def make_runner(tmp_path, monkeypatch, checkpoint):
    """Builds runners that count the images which their network sees."""
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    for manager in (DefaultScope, MessageHub):
        monkeypatch.setattr(manager, '_instance_dict', manager._instance_dict.copy())
    count = 0

    def build(scores=SCORES, work_dir='work', **changes):
        nonlocal count
        count += 1
        changes = dict(dict(load_from=str(checkpoint)), **changes)
        cfg = open_digits.config(
            tmp_path / work_dir, scores, metric_type='RecordScores', **changes
        )
        cfg.experiment_name = f'{tmp_path.name}_{count}'
        runner = Runner.from_cfg(cfg)
        runner.seen = 0

        def tally(module, args):
            runner.seen += len(args[0])

        net = getattr(runner.model, 'module', runner.model)
        runner.counter = net.backbone.register_forward_pre_hook(tally)
        return runner

    return build


def log_of(runner):
    return Path(f'{runner.log_dir}/{runner.timestamp}.log').read_text()


def slow_statistics(model, dataset):
    """Means, and distances to them, image by image and class by class."""
    features, logits, labels = open_digits.look_at(model, dataset)
    features, logits = features.double(), logits.double()
    prototypes, means, distances = [], [], []
    for c in range(8):
        total = torch.zeros(64, dtype=torch.float64)
        for feature, label in zip(features, labels):
            if label == c:
                total += feature / feature.norm()
        prototypes.append(total / total.norm())
        own = [a for a, label in zip(logits, labels) if label == c]
        right = [a for a in own if a.argmax() == c]
        means.append(sum(right or own) / len(right or own))
        distances += [float((a - means[-1]).norm()) for a in right]
    return torch.stack(prototypes), torch.stack(means), sorted(distances)


def test_statistics_and_scores_equal_a_loop(make_runner, model, checkpoint):
    runner = make_runner()
    runner.test()
    kept = torch.load(checkpoint.with_name('epoch_1.open_set.pth'), weights_only=True)
    train_set = DATASETS.build(open_digits.known('train'))
    prototypes, means, distances = slow_statistics(model, train_set)
    close = dict(rtol=1e-4, atol=1e-4, check_dtype=False)
    torch.testing.assert_close(kept['prototypes'], prototypes, **close)
    torch.testing.assert_close(kept['mean_logits'], means, **close)
    found = kept['distances'].sort().values
    torch.testing.assert_close(found, torch.tensor(distances), **close)

    test_set = DATASETS.build(open_digits.open_set('test'))
    features, logits, labels = open_digits.look_at(model, test_set)
    assert (labels == -1).sum() == 100
    statistics = ClassStatistics(
        prototypes.float(), means.float(), kept['distances'], kept['distance_labels']
    )
    for metric in runner.test_evaluator.metrics:
        pred, target, score = map(torch.tensor, zip(*metric.recorded))
        expected = score_function(metric.score, statistics)(features, logits)
        torch.testing.assert_close(score, expected, rtol=1e-3, atol=1e-3)
        assert torch.equal(target, labels)
        assert torch.equal(pred, logits.argmax(dim=1))


def test_kept_statistics_are_used_again(make_runner):
    runner = make_runner()
    runner.test()
    # Once for means, once for distances.
    assert runner.seen == 2 * TRAIN_SIZE + TEST_SIZE
    assert 'batch 7 of 7' in log_of(runner) and 'Kept the statistics' in log_of(runner)
    again = make_runner(['proto_cosine'])
    again.test()
    assert again.seen == TEST_SIZE and 'are used again' in log_of(again)


PIXELS = 'pipeline.0.scale'


@pytest.mark.parametrize(
    'scores, changes, reason',
    [
        (['hybrid'], dict(), 'other weights'),
        (['openmax'], dict(), "lack what score='openmax' needs"),
        (
            ['hybrid'],
            {'train_dataloader.dataset.dataset.imbalance_ratio': 20},
            'other training images',
        ),
        (
            ['hybrid'],
            {
                f'test_dataloader.dataset.known.dataset.{PIXELS}': (10, 10),
                f'test_dataloader.dataset.unknown.dataset.{PIXELS}': (10, 10),
            },
            'another pipeline',
        ),
    ],
    ids=['weights', 'openmax', 'data', 'pipeline'],
)
def test_stale_statistics_are_made_anew(
    make_runner, model, checkpoint, scores, changes, reason
):
    make_runner(['hybrid']).test()
    path = checkpoint.with_name('epoch_1.open_set.pth')
    stale = torch.load(path)
    if reason == 'other weights':
        state = {k: v.clone() for k, v in model.state_dict().items()}
        state['head.fc.bias'][0] += 1e-3
        torch.save(dict(state_dict=state), checkpoint)
    runner = make_runner(scores, **changes)
    runner.test()
    assert runner.seen > TEST_SIZE
    assert reason in log_of(runner) and 'made anew' in log_of(runner)
    fresh = torch.load(path)
    assert (fresh['model_key'] != stale['model_key']) == (reason == 'other weights')
    assert (fresh['data_key'] != stale['data_key']) == bool(changes)
    assert ('distances' in fresh) == (scores == ['openmax'])


def test_a_broken_file_is_made_anew(make_runner, checkpoint):
    path = checkpoint.with_name('epoch_1.open_set.pth')
    path.write_bytes(b'half a file')
    make_runner(['hybrid']).test()
    assert 'prototypes' in torch.load(path, weights_only=True)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, 'epoch_1.pth']


def test_missing_training_images_do_not_matter_where_the_file_is(
    make_runner, monkeypatch
):
    make_runner(['hybrid']).test()

    load = DigitsLT.load_data_list

    def lose(self):
        if self.split == 'train':
            raise FileNotFoundError('no such list')
        return load(self)

    monkeypatch.setattr(DigitsLT, 'load_data_list', lose)
    runner = make_runner(['hybrid'])
    runner.test()
    assert runner.seen == TEST_SIZE
    assert 'are used unchecked' in log_of(runner) and 'no such list' in log_of(runner)


def test_read_only_folder_falls_back_to_the_work_dir(
    make_runner, monkeypatch, tmp_path
):
    with monkeypatch.context() as patch:
        patch.setattr(os, 'access', lambda path, mode: False)
        make_runner(['hybrid']).test()
        again = make_runner(['hybrid'])
        again.test()
    assert (tmp_path / 'work' / 'epoch_1.open_set.pth').is_file()
    assert again.seen == TEST_SIZE
    assert [p.name for p in (tmp_path / 'run').iterdir()] == ['epoch_1.pth']


@pytest.mark.parametrize('error', [OSError, RuntimeError])
def test_a_file_that_can_not_be_written_is_a_warning(make_runner, monkeypatch, error):
    """PyTorch raises a RuntimeError, for example in a read-only folder."""

    def fail(*args, **kwargs):
        raise error('disk full')

    monkeypatch.setattr('ccsam_mm.evaluation.open_set.statistics_file.os.replace', fail)
    runner = make_runner(['hybrid'])
    assert runner.test()['hybrid/images'] == TEST_SIZE
    assert 'could not be kept (disk full)' in log_of(runner)


def hooks_of(model):
    return [hook for module in model.modules() for hook in module._forward_hooks]


def test_hooks_are_gone_also_after_an_error(make_runner):
    runner = make_runner(['energy'])
    runner.test()
    assert hooks_of(runner.model) == []

    runner = make_runner(['energy'])
    runner.test_evaluator.metrics[0].process = None  # not callable
    with pytest.raises(TypeError):
        runner.test()
    assert hooks_of(runner.model) == []


def test_validation_in_training_keeps_nothing_and_draws_nothing(make_runner, tmp_path):
    weights = []
    for scores in (['msp'], ['hybrid']):
        runner = make_runner(
            scores,
            train_dataloader=dict(sampler=dict(shuffle=True)),
            train_cfg=dict(max_epochs=2),
            randomness=dict(seed=1),
            work_dir=scores[0],
        )
        runner.train()
        weights.append(runner.model.head.fc.weight)
    # Two epochs; each validation has means of its own.
    assert runner.seen == 2 * (2 * TRAIN_SIZE + len(runner.val_dataloader.dataset))
    assert torch.equal(*weights)
    assert list(tmp_path.rglob('*.open_set.pth')) == []


def test_msp_needs_nothing(make_runner, checkpoint):
    runner = make_runner(['msp'], train_dataloader=None, train_cfg=None,
                         optim_wrapper=None)  # fmt: skip
    runner.test()
    assert runner.seen == TEST_SIZE
    assert len(list(checkpoint.parent.iterdir())) == 1


def test_training_set_may_be_named(make_runner):
    missing = dict(train_dataloader=None, train_cfg=None, optim_wrapper=None)
    with pytest.raises(ValueError, match='none in the config: add `train_dat'):
        make_runner(['hybrid'], **missing).test()
    hook = dict(type='OpenSetHook', train_dataset=open_digits.known('train'))
    runner = make_runner(['hybrid'], **missing, custom_hooks=[hook])
    runner.test()
    assert runner.seen == TRAIN_SIZE + TEST_SIZE


def test_training_set_of_other_classes_is_refused(make_runner):
    for classes, message in (
        (list('0123456789'), 'has the labels .* to [89], but the head has 8 classes'),
        (list('0123456'), r'no image of class 7 \(1 of 8 classes are empty\)'),
    ):
        hook = dict(
            type='OpenSetHook',
            train_dataset=open_digits.known('train', classes=classes),
        )
        with pytest.raises(ValueError, match=message):
            make_runner(['hybrid'], custom_hooks=[hook]).test()


def test_a_model_from_nowhere(make_runner, tmp_path):
    runner = make_runner(['hybrid'], load_from=None)
    runner.test()
    assert 'comes from no checkpoint' in log_of(runner)
    assert list(tmp_path.rglob('*.open_set.pth')) == []


def test_automatic_threshold_is_beside_the_checkpoint(make_runner, checkpoint):
    runner = make_runner(['energy'], threshold='auto')
    path = checkpoint.with_name('epoch_1.open_set.json')
    with pytest.raises(FileNotFoundError, match='choose_threshold.py'):
        runner.test()
    assert runner.test_evaluator.metrics[0].threshold_file == str(path)
    path.write_text('{"energy": {"threshold": 1.0, "sha256": "of another file"}}')
    runner = make_runner(['energy'], threshold='auto')
    runner.test()
    assert 'were chosen for another checkpoint' in log_of(runner)
    with pytest.raises(ValueError, match='model comes from none: test with'):
        make_runner(['energy'], threshold='auto', load_from=None).test()


def test_training_does_not_begin_with_a_threshold_that_can_not_be(make_runner):
    metric = dict(type='OpenSetMetric', threshold='auto')
    runner = make_runner(val_evaluator=[metric])
    with pytest.raises(ValueError, match='which validation during training always'):
        runner.train()
    assert runner.seen == 0


def test_a_table_has_a_row_for_each_score(make_runner):
    # First: runners of the same second write into the same log.
    runner = make_runner(['energy'])
    runner.val()
    assert 'Open-set recognition' not in log_of(runner)

    metrics = [
        dict(type='OpenSetMetric', threshold=0.5),
        dict(type='OpenSetMetric', threshold=0.9, prefix='strict'),
        dict(type='OpenSetMetric', threshold=None, score='energy', prefix='e'),
        dict(type='RecordScores', score='hybrid', prefix='no_measures'),
    ]
    loader = open_digits.loader(open_digits.open_set('test'))
    loader['dataset']['known']['dataset']['indices'] = 50
    runner = make_runner(test_evaluator=metrics, test_dataloader=loader)
    measured = runner.test()
    log = log_of(runner)
    lines = [line for line in log.splitlines() if line.startswith('|')]
    head, _, *rows = (
        [cell.strip() for cell in line.strip('|').split('|')] for line in lines
    )
    assert [row[0] for row in rows] == ['msp (openset)', 'msp (strict)', 'energy']
    for row, prefix in zip(rows, ('openset', 'strict', 'e')):
        cells = dict(zip(head, row))
        assert float(cells['auroc']) == pytest.approx(
            measured[f'{prefix}/auroc'], abs=6e-4
        )
        assert cells['threshold'] == dict(openset='0.5', strict='0.9', e='-')[prefix]


def test_looks_after_averaged_weights_are_in_place(make_runner):
    hooks = [dict(type='OpenSetHook'), dict(type='EMAHook')]
    names = [type(h).__name__ for h in make_runner(custom_hooks=hooks).hooks]
    assert names.index('EMAHook') < names.index('OpenSetHook')


def test_test_time_augmentation_is_refused(make_runner):
    tta = dict(_delete_=True, type='AverageClsScoreTTA', module=open_digits.MODEL)
    with pytest.raises(NotImplementedError, match='test without --tta'):
        make_runner(['energy'], model=tta).test()


@pytest.mark.slow
def test_two_ranks_equal_one(make_runner, checkpoint, tmp_path):
    """337 training images and batches of 50: the ranks have unequal numbers.

    Afterwards they test with a training set that waits for all ranks.
    """
    runner = make_runner()
    runner.test()
    path = checkpoint.with_name('epoch_1.open_set.pth')
    one = torch.load(path)
    path.unlink()
    script = Path(__file__).with_name('open_set_hook_ranks.py')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += ['--nproc_per_node=2', str(script), str(checkpoint), str(tmp_path)]
    tests = Path(__file__).parents[2]
    env = dict(os.environ, PYTHONPATH=f'{tests.parent}{os.pathsep}{tests}')
    result = subprocess.run(command, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]

    two = torch.load(tmp_path / 'ranks.pth')
    assert {k: v for k, v in two.items() if 'key' in k} == {
        k: v for k, v in one.items() if 'key' in k
    }
    close = dict(rtol=1e-4, atol=1e-4)
    for name in ('prototypes', 'mean_logits'):
        torch.testing.assert_close(two[name], one[name], **close)
    for c in range(8):
        of_class = [k['distances'][k['distance_labels'] == c] for k in (one, two)]
        torch.testing.assert_close(*(d.sort().values for d in of_class), **close)
    recorded = torch.load(tmp_path / 'recorded.pth')
    for metric in runner.test_evaluator.metrics:
        found = torch.tensor(sorted(recorded[metric.score_key]))
        expected = torch.tensor(sorted(metric.recorded))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
