# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: select by LDAM's loop, and look up the items in the unwrapped data set."""

import pickle
from urllib.error import URLError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset, RepeatDataset
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader, Subset

from ccsam_mm.datasets import LongTailed, long_tailed_counts

CLASSES = ['cat', 'dog', 'cow']
LABELS = [2, 0, 1] * 20


def kept_by_hand(labels, ratio, seed):
    """Indices that a selection by definition keeps."""
    counts = [labels.count(c) for c in range(max(labels) + 1)]
    rng = np.random.RandomState(seed)
    kept = []
    for c in range(len(counts)):
        indices = np.array([i for i, y in enumerate(labels) if y == c])
        rng.shuffle(indices)
        number = int(max(counts) * ratio ** (-c / max(len(counts) - 1, 1)) + 1e-9)
        kept += indices[:number].tolist()
    return sorted(kept)


@given(
    extra=st.lists(st.integers(0, 3), max_size=60),
    ratio=st.sampled_from([1, 1.5, 2, 4]),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=30)
def test_keeps_the_images_that_the_definition_keeps(toy, extra, ratio, seed):
    labels = [0, 1, 2, 3] * 4 + extra
    expected = kept_by_hand(labels, ratio, seed)
    wrapped = LongTailed(toy(labels), imbalance_ratio=ratio, seed=seed)

    assert len(wrapped) == len(expected)
    assert [wrapped[i]['img'] for i in range(len(wrapped))] == expected
    assert [wrapped._get_ori_dataset_idx(i) for i in range(len(wrapped))] == expected
    assert wrapped.get_gt_labels().tolist() == [labels[i] for i in expected]
    assert [wrapped.get_cat_ids(i)[0] for i in range(len(wrapped))] == [
        wrapped.get_data_info(i)['gt_label'] for i in range(len(wrapped))
    ]
    counts = wrapped.metainfo['class_counts']
    assert counts == [sum(labels[i] == c for i in expected) for c in range(4)]
    assert all(type(c) is int for c in counts)


@pytest.mark.parametrize('serialize_data', [True, False])
def test_config_equals_object_and_leaves_it_alone(toy, serialize_data):
    data = toy(LABELS, serialize_data=serialize_data)
    from_object = LongTailed(data, imbalance_ratio=4)
    from_config = DATASETS.build(
        dict(
            type='LongTailed',
            imbalance_ratio=4,
            dataset=dict(type='ToyDataset', labels=LABELS),
        )
    )
    assert [d['img'] for d in from_object] == [d['img'] for d in from_config]
    assert [d['img'] for d in data] == list(range(len(LABELS)))


def test_step_and_seed(toy):
    step = LongTailed(toy(LABELS), imbalance_ratio=10, imbalance_type='step')
    assert step.metainfo['class_counts'] == [20, 2, 2]
    other = LongTailed(toy(LABELS), imbalance_ratio=10, imbalance_type='step', seed=1)
    assert [d['img'] for d in step] != [d['img'] for d in other]


def test_data_sets_are_not_mixed_up(toy):
    """MMEngine's `get_subset` remembers the ids of objects that are long gone."""
    (memo,) = BaseDataset._copy_without_annotation.__defaults__
    if memo is None:
        pytest.skip('this MMEngine has it repaired')
    dataset = toy(LABELS)
    memo[id(dataset.pipeline)] = 'something else'
    try:
        wrapped = LongTailed(dataset, imbalance_ratio=10)
    finally:
        memo.clear()
    assert len(wrapped) < len(dataset) == len(LABELS)
    assert wrapped[0]['img'] in range(len(LABELS))


def test_a_small_class_keeps_all_that_it_has(toy):
    wrapped = LongTailed(toy([0] * 20 + [1] * 3 + [2] * 9), imbalance_ratio=2)
    assert long_tailed_counts(3, 20, 2) == [20, 14, 10]
    assert wrapped.metainfo['class_counts'] == [20, 3, 9]


def test_ratio_none_keeps_everything(toy):
    labels = [1, 0, 1, 1]
    wrapped = LongTailed(toy(labels), imbalance_ratio=None)
    assert [d['img'] for d in wrapped] == [0, 1, 2, 3]
    assert wrapped.metainfo['class_counts'] == [1, 3]


@pytest.mark.parametrize(
    'reference, counts',
    [
        (dict(type='ToyDataset', labels=[0, 0, 0, 1, 1, 2]), [3, 2, 1]),
        (
            dict(
                type='LongTailed',
                imbalance_ratio=4,
                dataset=dict(type='ToyDataset', labels=LABELS),
            ),
            [20, 10, 5],
        ),
    ],
)
def test_reference_gives_the_counts_and_nothing_else(toy, reference, counts):
    reference = {**reference, 'lazy_init': True}
    for given_reference in (reference, DATASETS.build(reference)):
        test_set = LongTailed(toy(LABELS, classes=CLASSES), reference=given_reference)
        assert [d['img'] for d in test_set] == list(range(len(LABELS)))
        meta = test_set.metainfo
        assert (list(meta['classes']), meta['class_counts']) == (CLASSES, counts)


def test_wrappers_inside_and_outside(toy):
    inside = LongTailed(RepeatDataset(toy(LABELS), times=2), imbalance_ratio=4)
    assert inside.metainfo['class_counts'] == [40, 20, 10]
    assert [inside[i]['gt_label'] for i in range(70)] == inside.get_gt_labels().tolist()

    part = LongTailed(Subset(toy(LABELS, classes=CLASSES), range(30)), None)
    assert part.metainfo['class_counts'] == [10, 10, 10]
    assert part[29]['img'] == 29

    config = dict(
        type='mmpretrain.LongTailed',
        imbalance_ratio=4,
        dataset=dict(type='ToyDataset', labels=LABELS),
    )
    outside = DATASETS.build(dict(type='RepeatDataset', times=2, dataset=config))
    assert outside.metainfo['class_counts'] == [20, 10, 5]
    assert len(outside) == 70


def test_metainfo_is_a_copy(toy):
    wrapped = LongTailed(toy(LABELS, classes=CLASSES), imbalance_ratio=4)
    wrapped.metainfo['class_counts'][0] = -1
    assert wrapped.metainfo['class_counts'] == [20, 10, 5]
    assert tuple(CLASSES) == wrapped.CLASSES
    assert wrapped.class_to_idx == {'cat': 0, 'dog': 1, 'cow': 2}


def test_lazy_init(toy):
    wrapped = LongTailed(toy(LABELS, lazy_init=True), imbalance_ratio=4, lazy_init=True)
    assert 'class_counts' not in wrapped.metainfo
    assert "Haven't been initialized" in repr(wrapped)
    assert len(wrapped) == 35
    assert wrapped.metainfo['class_counts'] == [20, 10, 5]
    assert '20..5' in repr(wrapped)


def test_a_broken_image_is_replaced_from_the_subset(toy):
    def broken(results):
        return None if results['img'] == 0 else results

    labels = [0] * 4 + [1] * 200
    data = toy(labels, pipeline=[broken])
    wrapped = LongTailed(data, imbalance_ratio=100)
    kept = set(kept_by_hand(labels, 100, 0))
    assert {wrapped[i]['img'] for _ in range(20) for i in range(len(wrapped))} <= kept


def test_in_dataloader_processes_and_pickled(toy):
    wrapped = LongTailed(toy(LABELS), imbalance_ratio=4)
    loader = DataLoader(wrapped, batch_size=None, num_workers=2)
    expected = [d['img'] for d in wrapped]
    assert [d['img'] for d in loader] == expected
    assert [d['img'] for d in pickle.loads(pickle.dumps(wrapped))] == expected


def test_runner_builds_it_with_the_class_balanced_sampler():
    loader = Runner.build_dataloader(
        dict(
            batch_size=5,
            num_workers=0,
            dataset=dict(
                type='mmpretrain.LongTailed',
                imbalance_ratio=4,
                dataset=dict(type='ToyDataset', labels=LABELS),
            ),
            sampler=dict(type='mmpretrain.ClassBalancedSampler'),
        ),
        seed=3,
    )
    labels = [item for batch in loader for item in batch['gt_label']]
    assert sorted(labels.count(c) for c in range(3)) == [11, 12, 12]


@pytest.mark.parametrize('ratio, message', [(0.9, 'at least 1'), (21, 'to 20 or less')])
def test_unusable_ratio(toy, ratio, message):
    with pytest.raises(ValueError, match=message):
        LongTailed(toy(LABELS), imbalance_ratio=ratio)


def test_unusable_data(toy):
    with pytest.raises(TypeError, match='has no labels'):
        LongTailed(toy(5))
    with pytest.raises(ValueError, match='label 2, but labels must be in 0..1'):
        LongTailed(toy(LABELS, classes=CLASSES[:2]))
    with pytest.raises(ValueError, match=r"no image of class 2 \('cow'\)"):
        LongTailed(toy([0, 1], classes=CLASSES))
    with pytest.raises(TypeError, match='needs a data set or its config'):
        LongTailed(None)


def test_reference_of_other_classes(toy):
    test_set = toy(LABELS, classes=CLASSES)
    with pytest.raises(ValueError, match=r'\(cat, dog, cow; .* \(cow, dog, cat; '):
        LongTailed(test_set, reference=toy(LABELS, classes=CLASSES[::-1]))
    with pytest.raises(ValueError, match='label 2, but its `reference` has 2 classes'):
        LongTailed(test_set, reference=toy([0, 0, 1]))


def test_missing_files_of_a_data_set_that_downloads():
    @DATASETS.register_module(force=True)
    class Unreachable:
        def __init__(self, data_root):
            raise URLError('no route to host')

    config = dict(type='Unreachable', data_root='data/fashion_mnist')
    message = "Unreachable did not find .*'data/fashion_mnist'.*no route.*`data_root`"
    with pytest.raises(FileNotFoundError, match=message):
        LongTailed(config)
