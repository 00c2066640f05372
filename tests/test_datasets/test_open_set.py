# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: the items of the data sets one after the other, the unknown ones as -1."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS
from official_layouts import write_mini

from ccsam_mm.datasets import ClassSubset, LongTailed, OpenSet, get_gt_labels

CLASSES = ['cat', 'dog']
LABELS = [1, 0, 0, 0, 1, 0]


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    part=st.sampled_from(['all', 'val', 'test']),
    val_ratio=st.floats(0.05, 0.95),
    seed=st.integers(0, 3),
)
@settings(deadline=None, max_examples=40)
def test_is_what_a_loop_finds(toy, sizes, part, val_ratio, seed):
    known = LongTailed(toy(LABELS, classes=CLASSES), imbalance_ratio=2)
    others = [toy([7] * size) for size in sizes]
    options = dict(val_ratio=val_ratio, seed=seed)
    data = OpenSet(known, others, part=part, **options)

    items = [known[i] for i in range(len(known))]
    origins = [(0, i) for i in range(len(known))]
    for number, other in enumerate(others, start=1):
        # Which images are in a part is tested below.
        kept = [i for n, i in map(data._get_ori_dataset_idx, range(len(data)))
                if n == number]  # fmt: skip
        assert kept == sorted(set(kept))
        items += [{**other[i], 'gt_label': -1} for i in kept]
        for item, i in zip(items[-len(kept) :], kept):
            # A real subset, in which images have other indices.
            item['sample_idx'] = kept.index(i)
        origins += [(number, i) for i in kept]
    assert [data[i] for i in range(len(data))] == items
    assert [data._get_ori_dataset_idx(i) for i in range(len(data))] == origins
    labels = [item['gt_label'] for item in items]
    assert data.get_gt_labels().tolist() == get_gt_labels(data).tolist() == labels
    assert [data.get_cat_ids(i)[0] for i in range(len(data))] == labels
    infos = [data.get_data_info(i) for i in range(len(data))]
    assert [(i['img'], i['gt_label']) for i in infos] == [
        (i['img'], i['gt_label']) for i in items
    ]
    assert data.metainfo == known.metainfo


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    val_ratio=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
@settings(deadline=None, max_examples=40)
def test_parts_share_the_unknown_images(toy, sizes, val_ratio, seed):
    known = toy(LABELS, classes=CLASSES)
    others = [toy([0] * size) for size in sizes]

    def unknown_images(part):
        data = OpenSet(known, others, part=part, val_ratio=val_ratio, seed=seed)
        return [data._get_ori_dataset_idx(i) for i in range(6, len(data))]

    val, test, every = map(unknown_images, ('val', 'test', 'all'))
    assert sorted(val + test) == every and len(every) == sum(sizes)
    for number, size in enumerate(sizes, start=1):
        in_val = sum(n == number for n, _ in val)
        assert abs(in_val - val_ratio * size) <= 0.5 + 1e-9
    assert val == unknown_images('val')


def test_seeds_divide_differently(toy):
    parts = [
        OpenSet(toy(LABELS), toy([0] * 30), part='val', seed=seed)._index_in.tolist()
        for seed in range(4)
    ]
    assert len({tuple(part) for part in parts}) == 4


def test_a_broken_image_is_replaced_from_the_same_part(toy):
    def broken(results):
        return None if results['img'] % 2 else results

    drawn = []
    for part in ('val', 'test'):
        unknown = toy([0] * 40, pipeline=[broken])
        data = OpenSet(toy(LABELS), unknown, part=part, val_ratio=0.5)
        drawn.append({data[i]['img'] for _ in range(9) for i in range(6, len(data))})
        assert len(unknown) == 40
    assert all(drawn) and not drawn[0] & drawn[1]


@pytest.mark.parametrize('labels', [[5, 0], 2], ids=['other labels', 'no labels'])
def test_unknown_images_of_whatever_label(toy, labels):
    data = OpenSet(toy(LABELS, classes=CLASSES), toy(labels))
    assert [data[i]['gt_label'] for i in (6, 7)] == [-1, -1]
    assert data.get_data_info(6)['gt_label'] == -1


def test_labels_reach_the_model_and_only_those_of_the_unknown_change():
    """Through PackInputs, the loader and the preprocessor, as in a test."""
    pipeline = [dict(type='PackInputs')]
    digits = dict(type='DigitsLT', split='test', pipeline=pipeline, test_mode=True)
    known = dict(type='mmpretrain.ClassSubset', dataset=digits, classes=[7, 2])
    unknown = dict(type='mmpretrain.ClassSubset', dataset=digits, classes=[5])
    loader = Runner.build_dataloader(
        dict(
            batch_size=64,
            num_workers=1,
            dataset=dict(type='mmpretrain.OpenSet', known=known, unknown=unknown),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
        )
    )
    preprocess = MODELS.build(dict(type='mmpretrain.ClsDataPreprocessor'))
    found = []
    for batch in loader:
        samples = preprocess(batch)['data_samples']
        found += [int(sample.gt_label) for sample in samples]
    assert found[:100] == DATASETS.build(known).get_gt_labels().tolist()
    assert found[100:] == [-1] * 50


@pytest.mark.parametrize(
    'model, head',
    [
        ('ImageClassifier', 'LinearClsHead'),
        ('DecoupledClassifier', 'AdversarialFeatureHead'),
    ],
)
def test_classifiers_predict_images_of_no_class(model, head):
    """What a test does: preprocessing and prediction keep the label -1."""
    classifier = MODELS.build(
        dict(
            type=f'mmpretrain.{model}',
            backbone=dict(type='CIFARResNet', depth=8),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type=head, num_classes=2, in_channels=64),
            data_preprocessor=dict(num_classes=2, mean=[0.0] * 3, std=[255.0] * 3),
            train_cfg=None,
        )
    ).eval()
    pipeline = [dict(type='PackInputs')]
    digits = dict(type='DigitsLT', split='test', pipeline=pipeline, test_mode=True)
    data = OpenSet(ClassSubset(digits, [7, 2]), ClassSubset(digits, [5]))
    items = [data[i] for i in (0, 99, 120)]
    batch = dict(
        inputs=torch.stack([item['inputs'] for item in items]),
        data_samples=[item['data_samples'] for item in items],
    )
    results = classifier.test_step(batch)
    assert [int(r.gt_label) for r in results] == [*data.get_gt_labels()[[0, 99]], -1]
    assert all(int(r.pred_label) in (0, 1) for r in results)


def test_a_list_of_a_benchmark(tmp_path):
    """Its open split has the label -1, and the names of the known classes."""
    write_mini(tmp_path, 'places_lt')
    places = dict(type='PlacesLT', data_root=str(tmp_path))
    data = OpenSet(dict(places, split='val'), dict(places, split='open'), part='val')
    labels = data.get_gt_labels()
    assert labels.max() > 0
    assert (labels == -1).any() and len(data.metainfo['class_counts']) == 365


def test_lazy_and_pickled(toy):
    known, unknown = toy(LABELS, classes=CLASSES, lazy_init=True), toy([3] * 5)
    data = OpenSet(known, unknown, part='test', lazy_init=True)
    assert "Haven't been initialized" in repr(data)
    assert len(data) == 6 + 4
    assert "4 of ToyDataset, part 'test'" in repr(data)
    assert data.class_to_idx == {'cat': 0, 'dog': 1}
    again = pickle.loads(pickle.dumps(data))
    assert [again[i] for i in range(10)] == [data[i] for i in range(10)]


def test_metainfo_is_a_copy(toy):
    data = OpenSet(LongTailed(toy(LABELS, classes=CLASSES), 2), toy([0]))
    data.metainfo['class_counts'][0] = -1
    assert data.metainfo['class_counts'] == [4, 2]


def test_a_known_class_among_the_unknown_ones(toy):
    known = toy(LABELS, classes=CLASSES)
    animals = ['hen', 'dog', 'cow']
    with pytest.raises(ValueError, match="images of 'dog', which is a known class"):
        OpenSet(known, toy([0, 1, 2], classes=animals))
    without = ClassSubset(toy([0, 1, 2], classes=animals), ['hen', 'cow'])
    assert len(OpenSet(known, without)) == 8
    # A name alone is no image.
    assert len(OpenSet(known, toy([0, 2], classes=animals))) == 8


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(part='train'), "no part 'train'"),
        (dict(val_ratio=1), 'val_ratio=1 is the share'),
        (dict(unknown=[]), 'no data set of unknown classes'),
    ],
)
def test_unusable_options(toy, options, message):
    options = {'unknown': toy([0]), **options}
    with pytest.raises(ValueError, match=message):
        OpenSet(toy(LABELS), **options)


def test_unusable_data(toy):
    with pytest.raises(ValueError, match='label -1: put those of unknown classes'):
        OpenSet(toy([0, -1]), toy([0]))
    with pytest.raises(TypeError, match='OpenSet needs a data set'):
        OpenSet(toy(LABELS), None)
    with pytest.raises(TypeError, match='has no labels'):
        OpenSet(toy(3), toy(np.array([0])))
