# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: select by LDAM's loop, and look up the items in the unwrapped data set."""

import pickle
from urllib.error import URLError

import numpy as np
import pytest
from fake_data import write_cifar
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset, RepeatDataset
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader, Subset

from ccsam_mm.datasets import (
    CIFAR10LT,
    LongTailed,
    count_classes,
    long_tailed_counts,
)
from ccsam_mm.datasets.class_counts import known_class_counts

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


def kept_and_held_out_by_hand(labels, max_count, ratio, held_out, seed):
    """Indices of both parts, from one shuffled list of each class."""
    num_classes = max(labels) + 1
    rng = np.random.RandomState(seed)
    kept, aside = [], []
    for c in range(num_classes):
        indices = np.array([i for i, y in enumerate(labels) if y == c])
        rng.shuffle(indices)
        number = int(max_count * ratio ** (-c / (num_classes - 1)) + 1e-9)
        kept += indices[:number].tolist()
        aside += indices[len(indices) - held_out :].tolist()
    return sorted(kept), sorted(aside)


@given(
    extra=st.lists(st.integers(0, 3), max_size=30),
    max_count=st.integers(4, 9),
    ratio=st.sampled_from([1, 1.5, 4]),
    held_out=st.integers(1, 3),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=30)
def test_held_out_images_are_balanced_and_not_of_training(
    toy, extra, max_count, ratio, held_out, seed
):
    labels = [0, 1, 2, 3] * 12 + extra
    options = dict(imbalance_ratio=ratio, seed=seed, max_per_class=max_count)
    train = LongTailed(toy(labels), held_out=held_out, **options)
    val = LongTailed(toy(labels), held_out=held_out, part='held_out', **options)
    kept, aside = kept_and_held_out_by_hand(labels, max_count, ratio, held_out, seed)

    assert [d['img'] for d in train] == kept
    assert [d['img'] for d in val] == aside
    assert not set(kept) & set(aside)
    assert np.bincount(val.get_gt_labels()).tolist() == [held_out] * 4
    counts = [sum(labels[i] == c for i in kept) for c in range(4)]
    assert train.metainfo['class_counts'] == val.metainfo['class_counts'] == counts
    # Images put aside change nothing in the training part.
    plain = LongTailed(toy(labels), **options)
    assert [d['img'] for d in plain] == kept


def test_held_out_images_do_not_depend_on_the_imbalance(toy):
    options = dict(dataset=toy(LABELS), held_out=5, part='held_out')
    parts = [
        LongTailed(max_per_class=15, imbalance_ratio=3, **options),
        LongTailed(max_per_class=10, imbalance_ratio=10, **options),
        LongTailed(imbalance_ratio=None, **options),
    ]
    first, second, third = ([d['img'] for d in part] for part in parts)
    assert first == second == third
    assert parts[2].metainfo['class_counts'] == [15, 15, 15]


def test_ratio_none_trains_on_all_that_is_not_held_out(toy):
    labels = [0] * 9 + [1] * 3
    options = dict(imbalance_ratio=None, held_out=2)
    train = LongTailed(toy(labels), **options)
    val = LongTailed(toy(labels), **options, part='held_out')
    assert train.metainfo['class_counts'] == [7, 1]
    assert sorted(d['img'] for part in (train, val) for d in part) == list(range(12))


def test_cifar_with_a_validation_part(tmp_path):
    """A data set with a ratio of 1 leaves every image to the wrapper."""
    write_cifar(tmp_path, CIFAR10LT, per_class=8)  # in each of five files
    files = dict(data_root=str(tmp_path), verify_md5=False)
    whole = dict(type='CIFAR10LT', imbalance_ratio=1, **files)
    same = LongTailed(whole, imbalance_ratio=10)
    lt = CIFAR10LT(imbalance_ratio=10, **files)
    assert same.metainfo['class_counts'] == lt.metainfo['class_counts']
    assert all((a['img'] == b['img']).all() for a, b in zip(same, lt))

    options = dict(dataset=whole, imbalance_ratio=10, max_per_class=30, held_out=10)
    train, val = (LongTailed(part=part, **options) for part in ('train', 'held_out'))
    assert train.metainfo['class_counts'] == long_tailed_counts(10, 30, 10)
    images = [{d['img'].tobytes() for d in part} for part in (train, val)]
    assert len(images[1]) == len(val) == 100 and not images[0] & images[1]


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(held_out=5),
            r"class 0 \('cat'\) has 20 images, but 20 for training and held_out=5 need "
            '25: set a smaller',
        ),
        (dict(imbalance_ratio=None, held_out=20), 'has 20 images, but 1 .* need 21'),
        (dict(max_per_class=21), 'more than the 20 images .* to 20 or less'),
        (dict(max_per_class=0), 'max_per_class=0 .* at least 1'),
        (dict(max_per_class=9.5), 'max_per_class=9.5 .* an integer'),
        (dict(imbalance_ratio=None, max_per_class=9), 'no meaning with imbalance_rat'),
        (dict(held_out=-1), 'held_out=-1 .* at least 0'),
        (dict(part='val'), "no part 'val': set `part` to"),
        (dict(part='held_out'), 'no image to give: set `held_out`'),
    ],
)
def test_parts_that_can_not_be_had(toy, options, message):
    with pytest.raises(ValueError, match=message):
        LongTailed(toy(LABELS, classes=CLASSES), **{'imbalance_ratio': 4, **options})


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


@pytest.mark.parametrize('test_mode', [False, True])
def test_k_folds(test_mode):
    inner = dict(type='ToyDataset', labels=LABELS)
    config = dict(type='LongTailed', imbalance_ratio=4, dataset=inner)
    whole = DATASETS.build(config)
    fold = DATASETS.build(
        dict(
            type='KFoldDataset',
            dataset=config,
            num_splits=5,
            fold=1,
            seed=0,
            test_mode=test_mode,
        )  # fmt: skip
    )
    expected = [whole[i] for i in fold._ori_indices]
    assert len(fold) == (7 if test_mode else 28)
    images, labels = zip(*((d['img'], d['gt_label']) for d in expected))
    assert tuple(fold[i]['img'] for i in range(len(fold))) == images
    assert tuple(fold.get_gt_labels()) == labels
    assert [fold.get_cat_ids(i)[0] for i in range(len(fold))] == list(labels)
    assert len(whole) == 35


@pytest.mark.parametrize('indices', [[3, 1], 2, -2, []])
def test_subsets(toy, indices):
    whole = LongTailed(toy(LABELS), imbalance_ratio=4)
    positions = np.arange(35)
    kept = positions[:2] if indices == 2 else positions[33:]
    kept = indices if isinstance(indices, list) else kept
    part = whole.get_subset(indices)
    assert [part[i]['img'] for i in range(len(part))] == [
        whole[int(i)]['img'] for i in kept
    ]
    assert part.metainfo == whole.metainfo and len(whole) == 35


def test_two_long_tailed_sets_are_joined(toy):
    parts = [LongTailed(toy(LABELS), imbalance_ratio=ratio) for ratio in (2, 4)]
    configs = [
        dict(type='mmpretrain.LongTailed', imbalance_ratio=ratio,
             dataset=dict(type='ToyDataset', labels=LABELS))
        for ratio in (2, 4)
    ]  # fmt: skip
    config = dict(type='ConcatDataset', datasets=configs, ignore_keys=['class_counts'])
    data = DATASETS.build(config)
    assert len(data) == sum(map(len, parts))
    assert known_class_counts(data) is None
    counts = [sum(pair) for pair in zip(*(p.metainfo['class_counts'] for p in parts))]
    assert count_classes(data) == counts


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
