# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmengine.registry import DATASETS
from mmengine.runner.checkpoint import _load_checkpoint
from mmpretrain.structures import DataSample

HOOK = [dict(type='ClassCountsHook')]
TINY_METRIC = dict(type='TinyMetric')


def known_counts(runner):
    return runner.message_hub.get_info('dataset_meta', {}).get('class_counts')


def test_counts_reach_the_message_hub_the_checkpoint_and_a_test(make_runner, tmp_path):
    runner = make_runner(custom_hooks=HOOK)
    runner.train()
    assert known_counts(runner) == [6, 4, 2]
    path = str(tmp_path / 'run/epoch_2.pth')
    meta = _load_checkpoint(path)['meta']['dataset_meta']
    assert meta['class_counts'] == [6, 4, 2] and tuple(meta['classes']) == (
        'a',
        'b',
        'c',
    )
    assert all(type(count) is int for count in meta['class_counts'])

    for hooks, expected in ((HOOK, [6, 4, 2]), ([], None)):
        tester = make_runner('test', custom_hooks=hooks, load_from=path)
        tester.test()
        assert known_counts(tester) == expected


def test_resuming_finds_the_same_metainfo(make_runner, tmp_path):
    make_runner(custom_hooks=HOOK).train()
    runner = make_runner(custom_hooks=HOOK, resume=True, train_cfg=dict(max_epochs=3))
    runner.train()
    assert known_counts(runner) == [6, 4, 2]
    log = next(iter((tmp_path / 'run').glob(f'{runner.timestamp}/*.log'))).read_text()
    assert 'resumed epoch: 2' in log
    assert 'metainfo' not in log.split('resumed epoch')[0].split('Load checkpoint')[1]


def test_known_counts_are_left_alone(make_runner):
    dataset = dict(metainfo=dict(class_counts=[7, 8, 9]))
    runner = make_runner(custom_hooks=HOOK, train_dataloader=dict(dataset=dataset))
    runner.train()
    assert known_counts(runner) == [7, 8, 9]


def test_joined_data_sets_are_counted_together(make_runner, tmp_path):
    """MMEngine gives a concatenation the metainfo of its first part."""
    part = dict(type='TinyImages', metainfo=dict(class_counts=[6, 4, 2]))
    joined = dict(type='ConcatDataset', datasets=[part, part], _delete_=True)
    runner = make_runner(custom_hooks=HOOK, train_dataloader=dict(dataset=joined))
    runner.train()
    assert known_counts(runner) == [12, 8, 4]
    meta = _load_checkpoint(str(tmp_path / 'run/epoch_2.pth'))['meta']['dataset_meta']
    assert meta['class_counts'] == [12, 8, 4]


def test_checkpoint_does_not_override_the_training_set(make_runner, tmp_path):
    """Fine-tuning from another data set's checkpoint."""
    other = dict(dataset=dict(metainfo=dict(class_counts=[70, 8, 9])))
    make_runner('other', custom_hooks=HOOK, train_dataloader=other).train()
    checkpoint = str(tmp_path / 'other/epoch_2.pth')
    runner = make_runner(custom_hooks=HOOK, load_from=checkpoint)
    runner.train()
    assert known_counts(runner) == [6, 4, 2]
    runner.load_checkpoint(checkpoint)
    assert known_counts(runner) == [6, 4, 2]


def test_plain_torch_data_set(make_runner):
    @DATASETS.register_module(name='PlainImages', force=True)
    class PlainImages(torch.utils.data.Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return dict(inputs=torch.rand(2), data_samples=sample(index))

        def get_data_info(self, index):
            return dict(gt_label=[0, 0, 1, 1, 1][index])

    def sample(index):
        return DataSample().set_gt_label([0, 0, 1, 1, 1][index])

    runner = make_runner(
        custom_hooks=HOOK,
        train_dataloader=dict(dataset=dict(_delete_=True, type='PlainImages')),
    )
    runner.train()
    assert known_counts(runner) == [2, 3]


def test_raw_weights_have_no_counts(make_runner, tmp_path):
    path = str(tmp_path / 'weights.pth')
    torch.save(make_runner('source').model.state_dict(), path)
    tester = make_runner(custom_hooks=HOOK, load_from=path)
    tester.test()
    assert known_counts(tester) is None


@pytest.mark.parametrize('meta', [None, dict(class_counts=[6, 4, 2])])
def test_head_of_other_classes_is_refused_before_training(make_runner, meta):
    head = dict(type='LinearClsHead', num_classes=4, in_channels=2)
    model = dict(type='ImageClassifier', backbone=dict(type='LeNet5'), head=head)
    dataset = dict(dataset=dict(metainfo=meta))
    runner = make_runner(
        custom_hooks=HOOK,
        model=dict(_delete_=True, **model),
        train_dataloader=dataset,
    )
    with pytest.raises(ValueError, match='3 classes, but the head has 4.*num_classes'):
        runner.train()


class OtherLabels(torch.utils.data.Dataset):
    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return dict(inputs=torch.rand(2), data_samples=DataSample())

    def get_data_info(self, index):
        return dict(gt_label=self.labels[index])


def validated_on(make_runner, labels, evaluator=TINY_METRIC):
    DATASETS.register_module(name='OtherLabels', module=OtherLabels, force=True)
    dataset = dict(type='OtherLabels', labels=labels)
    return make_runner(
        custom_hooks=HOOK,
        val_dataloader=dict(
            batch_size=2, num_workers=0, dataset=dataset,
            sampler=dict(type='DefaultSampler', shuffle=False)),
        val_cfg=dict(),
        val_evaluator=evaluator,
    )  # fmt: skip


def test_validation_label_beyond_the_classes_is_refused_before_training(make_runner):
    runner = validated_on(make_runner, [0, 2, 3])
    with pytest.raises(ValueError, match='image 2 the label 3, .* has 3 classes'):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('labels', [[0, 2, -1], [[0, 1], [2]]])
def test_open_and_multi_label_validation_sets_are_left_alone(make_runner, labels):
    runner = validated_on(make_runner, labels)
    runner.train()
    assert runner.epoch == 2


@pytest.mark.parametrize(
    'types', [('Accuracy', 'ShotAccuracy'), ('OpenSetMetric', 'OpenSetMetric')]
)
def test_metrics_of_one_name_are_refused_before_training_or_test(make_runner, types):
    """MMEngine would notice after the first whole evaluation."""
    metrics = [dict(type=name) for name in types]
    runner = validated_on(make_runner, [0, 1, 2], metrics)
    said = f'^{types[0]} and {types[1]} would both report .*/top1.*another `prefix`'
    with pytest.raises(ValueError, match=said):
        runner.train()
    assert runner.iter == 0

    with pytest.raises(ValueError, match=said):
        make_runner(custom_hooks=HOOK, test_evaluator=metrics).test()
