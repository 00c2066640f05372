# Copyright (c) ccsam_mm contributors. All rights reserved.
import logging

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


@pytest.mark.parametrize('meta', ['text', dict(dataset_meta=['a', 'b', 'c'])])
def test_weights_with_notes_of_another_kind_load(make_runner, tmp_path, meta):
    make_runner(custom_hooks=HOOK).train()
    path = str(tmp_path / 'noted.pth')
    weights = torch.load(tmp_path / 'run/epoch_2.pth')['state_dict']
    torch.save(dict(state_dict=weights, meta=meta, message_hub=meta), path)
    runner = make_runner(custom_hooks=HOOK, load_from=path)
    runner.train()
    assert runner.epoch == 2 and known_counts(runner) == [6, 4, 2]


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


class RecordWarnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def warnings_of(runner):
    handler = RecordWarnings()
    runner.logger.addHandler(handler)
    return handler.said


def named(*classes):
    return dict(dataset=dict(metainfo=dict(classes=list(classes))))


@pytest.mark.parametrize('classes', ['bac', 'abd'])
def test_validation_of_other_classes_is_refused_before_training(make_runner, classes):
    changes = dict(
        val_dataloader=dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            **named(*classes),
        ),
        val_cfg=dict(),
        val_evaluator=TINY_METRIC,
    )
    changes['val_dataloader']['dataset']['type'] = 'TinyImages'
    runner = make_runner(custom_hooks=HOOK, **changes)
    with pytest.raises(ValueError, match='The validation data set has .* for label'):
        runner.train()
    assert runner.iter == 0
    runner = make_runner(
        custom_hooks=[dict(type='ClassCountsHook', check_names=False)], **changes
    )
    said = warnings_of(runner)
    runner.train()
    assert runner.epoch == 2 and any('for label' in line for line in said)


def test_unnamed_validation_labels_are_a_warning(make_runner):
    runner = validated_on(make_runner, [0, 1, 2])
    said = warnings_of(runner)
    runner.train()
    assert any('validation data set does not name its classes' in line for line in said)


def test_another_order_than_the_checkpoint_s_is_refused(make_runner, tmp_path):
    """In a test, and where a training resumes; fine-tuning is warned."""
    make_runner(custom_hooks=HOOK).train()
    path = str(tmp_path / 'run/epoch_2.pth')
    said = "has 'b' for label 0, which is 'a' in the checkpoint"
    other = named('b', 'a', 'c')
    tester = make_runner(custom_hooks=HOOK, load_from=path, test_dataloader=other)
    with pytest.raises(ValueError, match=said):
        tester.test()
    options = dict(custom_hooks=HOOK, train_dataloader=other)
    options['train_cfg'] = dict(max_epochs=3)
    with pytest.raises(ValueError, match=said):
        make_runner(resume=True, **options).train()
    runner = make_runner('tuned', load_from=path, **options)
    warned = warnings_of(runner)
    runner.train()
    assert runner.epoch == 3 and any('for fine-tuning' in line for line in warned)


def test_stage_2_of_other_classes_is_refused(make_runner, tmp_path):
    make_runner('my_stage1', custom_hooks=HOOK).train()
    hooks = [*HOOK, dict(type='LoadStage1Hook', stage1='my_stage1')]
    runner = make_runner('my_stage2', custom_hooks=hooks,
                         train_dataloader=named('a', 'c', 'b'))  # fmt: skip
    with pytest.raises(ValueError, match="has 'c' for label 1, which is 'b'"):
        runner.train()
    assert runner.iter == 0


def test_weights_without_names_are_a_warning(make_runner, tmp_path):
    path = str(tmp_path / 'weights.pth')
    torch.save(make_runner('source').model.state_dict(), path)
    tester = make_runner(custom_hooks=HOOK, load_from=path)
    said = warnings_of(tester)
    tester.test()
    assert any('weights.pth does not name its classes' in line for line in said)


def test_test_folders_are_compared_without_building_them(make_runner, tmp_path):
    for name in 'abd':
        (tmp_path / 'test' / name).mkdir(parents=True)
    folder = dict(type='CustomDataset', data_root=str(tmp_path / 'test'))
    loader = dict(dataset=dict(_delete_=True, **folder))
    runner = make_runner(custom_hooks=HOOK, test_dataloader=loader)
    with pytest.raises(ValueError, match="The test set has 'd' for label 2"):
        runner.train()


@pytest.mark.parametrize('wrapper', ['ClassSubset', 'TorchSubset'])
def test_counts_of_wrapped_data_reach_the_checkpoint(make_runner, tmp_path, wrapper):
    DATASETS.register_module(name='TorchSubset', force=True, module=torch_subset)
    images = dict(type='TinyImages', serialize_data=False)
    options, counts, names = {
        'ClassSubset': (dict(classes=['a', 'c', 'b']), [6, 2, 4], ['a', 'c', 'b']),
        'TorchSubset': (dict(indices=[0, 1, 6, 10]), [2, 1, 1], ['a', 'b', 'c']),
    }[wrapper]

    def loader():  # merging takes `_delete_` out of it
        dataset = dict(type=wrapper, dataset=images, **options)
        return dict(dataset=dict(_delete_=True, **dataset))

    make_runner(custom_hooks=HOOK, train_dataloader=loader()).train()
    path = str(tmp_path / 'run/epoch_2.pth')
    meta = _load_checkpoint(path)['meta']['dataset_meta']
    assert (meta['class_counts'], list(meta['classes'])) == (counts, names)

    resumed = make_runner(custom_hooks=HOOK, train_dataloader=loader(), resume=True,
                          train_cfg=dict(max_epochs=3))  # fmt: skip
    said = warnings_of(resumed)
    resumed.train()
    assert resumed.epoch == 3
    # MMEngine itself compares what the data set tells, and torch's tells nothing.
    assert wrapper == 'TorchSubset' or not any('metainfo' in line for line in said)


def torch_subset(dataset, indices):
    return torch.utils.data.Subset(DATASETS.build(dataset), indices)


@pytest.mark.parametrize(
    'hook',
    [
        dict(type='CheckpointHook', save_best='accuracy/few', rule='greater'),
        dict(type='EarlyStoppingHook', monitor='accuracy/few', rule='greater'),
    ],
)
@pytest.mark.parametrize(('counts', 'labels'), [([600, 400, 200], [0, 1, 2]),
                                                ([600, 400, 2], [0, 1])])  # fmt: skip
def test_monitored_group_without_a_class_is_refused(make_runner, hook, counts, labels):
    metric = dict(type='ShotAccuracy', class_counts=counts)
    runner = validated_on(make_runner, labels, metric)
    runner.register_hook(hook)
    with pytest.raises(
        ValueError, match="accuracy/few'.*never be reported.*class_mean"
    ):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('augment', ['Mixup', 'CutMix'])
def test_batch_augments_of_other_classes_are_refused(make_runner, augment):
    model = dict(
        type='ImageClassifier',
        backbone=dict(type='LeNet5'),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=2),
        data_preprocessor=dict(num_classes=4),
        train_cfg=dict(augments=dict(type=augment, alpha=1.0)),
    )
    runner = make_runner(custom_hooks=HOOK, model=dict(_delete_=True, **model))
    with pytest.raises(ValueError, match='num_classes is 4.* the head has 3 classes'):
        runner.train()


def test_a_hidden_training_folder_is_named_before_its_lack_of_images(
    make_runner, tmp_path
):
    (tmp_path / 'train' / '.ipynb_checkpoints').mkdir(parents=True)
    (tmp_path / 'train' / 'ant').mkdir()
    (tmp_path / 'train' / 'ant' / '0.png').touch()
    folder = dict(type='CustomDataset', data_root=str(tmp_path / 'train'))
    loader = dict(dataset=dict(_delete_=True, **folder))
    runner = make_runner(custom_hooks=HOOK, train_dataloader=loader)
    with pytest.raises(ValueError, match='ipynb_checkpoints.*some program.*delete it'):
        runner.train()
