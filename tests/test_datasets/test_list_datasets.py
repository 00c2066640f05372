# Copyright (c) ccsam_mm contributors. All rights reserved.
"""ImageNetLT, PlacesLT and INaturalist2018 on the official layouts."""

import os
import pickle

import numpy as np
import pytest
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from mmpretrain.registry import DATASETS
from official_layouts import (
    DIALECTS,
    LISTS,
    OTHERS,
    TRAIN,
    entries,
    true_counts,
    write_images,
    write_json,
    write_list,
    write_mini,
)

from ccsam_mm.datasets import (
    ClassBalancedSampler,
    ImageNetLT,
    INaturalist2018,
    LongTailed,
    PlacesLT,
    count_classes,
    get_gt_labels,
)
from ccsam_mm.evaluation import shot_groups

CLASSES = {
    'imagenet_lt': ImageNetLT,
    'places_lt': PlacesLT,
    'inaturalist2018': INaturalist2018,
}
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=SLOW if 'inat' in n else ()) for n in CLASSES]
)
def test_table_of_the_design(tmp_path, name):
    """The totals, ends and shot groups of the benchmarks, in every split."""
    total, largest, smallest, groups = TRAIN[name]
    for split in ('train', *OTHERS[name]):
        write_list(tmp_path, name, split)
    for split in ('train', *OTHERS[name]):
        kwargs = dict(check_files=False, serialize_data=split == 'train')
        dataset = CLASSES[name](str(tmp_path), split, **kwargs)
        counts = dataset.metainfo['class_counts']
        assert counts == true_counts(name)
        assert len(dataset.metainfo['classes']) == len(counts) == dataset.NUM_CLASSES
        if split == 'train':
            ends = (max(counts), min(counts))
            assert (len(dataset), *ends) == (total, largest, smallest)
            sizes = shot_groups(counts, 'strict')
            assert tuple(int(g.sum()) for g in sizes.values()) == groups
            assert count_classes(dataset) == counts
            continue
        each = OTHERS[name][split]
        assert len(dataset) == each if split == 'open' else each * len(counts)
        last = entries(name, split)[-1]
        assert dataset.get_gt_labels()[-1] == last[1]
        assert dataset.get_data_info(-1)['img_path'].endswith(f'/{last[0]}')


@pytest.fixture(scope='module')
def minis(tmp_path_factory):
    root = tmp_path_factory.mktemp('minis')
    for name in CLASSES:
        write_mini(root / name, name)
    return root


def prefixes(name):
    """Ways to write the same relative path in a list."""
    plain = ['', './', '/', '/home/me/downloads/images/']
    return plain if name == 'inaturalist2018' else [*plain, 'places365_standard/']


@pytest.mark.parametrize('on_disk', [0, 1])
@pytest.mark.parametrize('in_list', [0, 1])
@pytest.mark.parametrize('name', CLASSES)
def test_reads_each_list_with_each_layout(tmp_path, minis, name, in_list, on_disk):
    """The n-th image is the n-th of the layout, however the list writes it."""
    if name == 'inaturalist2018' and in_list == on_disk:
        pytest.skip('the mini set of other tests')
    listed, there = DIALECTS[name][in_list], DIALECTS[name][on_disk]
    for split in ('train', *OTHERS[name]):
        paths = [path for path, _ in entries(name, split, there, mini=True)]
        if split == 'open':
            paths = [f'{LISTS[name].format("open")[:-4]}/{path}' for path in paths]
        write_images(tmp_path, paths)
        for prefix in prefixes(name) if split != 'train' else ['./']:
            lines = entries(name, split, listed, mini=True)
            file = tmp_path / LISTS[name].format(split)
            file.write_text(''.join(f'{prefix}{path} {y}\n' for path, y in lines))
            if split == 'open' and prefix not in ('', './', '/'):
                continue  # bare names of files have no prefix
            dataset = CLASSES[name](str(tmp_path), split, serialize_data=False)
            found = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
            assert found == [f'{tmp_path}/{path}' for path in paths]
            assert dataset.get_gt_labels().tolist() == [y for _, y in lines]


def test_class_names(minis, tmp_path):
    assert ImageNetLT(str(minis / 'imagenet_lt')).CLASSES == IMAGENET_CATEGORIES
    places = PlacesLT(str(minis / 'places_lt'), 'test').CLASSES
    assert places[:2] == ('a_scene000-indoor', 'a_scene001')
    ids = INaturalist2018(str(minis / 'inaturalist2018'), 'val').CLASSES
    assert ids[:2] == ('0', '1')
    named = PlacesLT(str(minis / 'places_lt'), classes=[f'c{i}' for i in range(365)])
    assert named.CLASSES[364] == 'c364'


def test_imagenet_in_another_order_is_named_by_its_folders(tmp_path):
    lines = [f'train/n{999 - y:08d}/{y}.JPEG {y}\n' for y in range(1000)]
    (tmp_path / 'ImageNet_LT_train.txt').write_text(''.join(lines))
    dataset = ImageNetLT(str(tmp_path), check_files=False)
    assert dataset.CLASSES[:2] == ('n00000999', 'n00000998')


@pytest.mark.slow
def test_json_and_text_list_are_the_same(minis, tmp_path):
    root = minis / 'inaturalist2018'
    (tmp_path / 'train_val2018').symlink_to(root / 'train_val2018')
    for split in ('train', 'val'):
        write_json(tmp_path, split, mini=True)
        text = INaturalist2018(str(root), split)
        official = INaturalist2018(str(tmp_path), split)
        assert official.ann_file == f'{tmp_path}/{split}2018.json'
        assert official.CLASSES[8141] == 'Species 8141'
        assert text.metainfo['class_counts'] == official.metainfo['class_counts']
        for i in (0, 5, -1):
            a, b = text.get_data_info(i), official.get_data_info(i)
            assert a['gt_label'] == b['gt_label']
            assert (
                a['img_path'][len(str(root)) :] == b['img_path'][len(str(tmp_path)) :]
            )


def test_open_split_has_no_labels(minis, tmp_path):
    """Whatever the list says: copies with real labels go round."""
    root = str(minis / 'places_lt')
    file = tmp_path / 'open.txt'
    names = [path for path, _ in entries('places_lt', 'open', mini=True)]
    file.write_text(''.join(f'{name} {i + 365}\n' for i, name in enumerate(names)))
    for kwargs in ({}, dict(ann_file=str(file))):
        dataset = PlacesLT(root, 'open', **kwargs)
        assert set(dataset.get_gt_labels()) == {-1}
        assert {dataset.get_data_info(i)['gt_label'] for i in range(40)} == {-1}
        assert len(dataset.metainfo['class_counts']) == 365


@pytest.fixture
def tiny(tmp_path):
    """Writes lists of ImageNet-LT with three classes and returns the data set."""
    train = ['train/a/0.jpg 0', 'train/a/1.jpg 0', 'train/b/2.jpg 1', 'train/c/3.jpg 2']
    val = ['train/a/4.jpg 0', 'train/c/5.jpg 2']

    def make(split='train', train=train, val=val, images=None, **kwargs):
        for name, lines in dict(train=train, val=val).items():
            file = tmp_path / f'ImageNet_LT_{name}.txt'
            file.write_text(''.join(f'{line}\n' for line in lines))
        write_images(tmp_path / 'img', make.images if images is None else images)
        kwargs = dict(data_prefix='img', classes=['a', 'b', 'c'], **kwargs)
        return ImageNetLT(str(tmp_path), split, **kwargs)

    make.train, make.val = train, val
    make.images = [line.split()[0] for line in [*train, *val]]
    return make


@pytest.mark.parametrize(
    'split, train, val, message',
    [
        ('train', 'train/b/6.jpg', '', "^line 5 of '.*train.txt' is 'train/b/6.jpg', "),
        ('val', 'train/b/6.jpg', '', "^line 5 of '.*train.txt' is 'train/b/6.jpg', "),
        (
            'train',
            'train/b/6.jpg 3',
            '',
            "^line 5 of '.*train.txt' .* label 3, .*0..2:",
        ),
        ('val', '', 'train/b/6.jpg 3', "^line 3 of '.*val.txt' .* label 3, .*0..2:"),
        ('val', '', 'train/b/6.jpg -1', "^line 3 of '.*val.txt' .* label -1, .*0..2:"),
        ('train', 'train/a/1.jpg 0', '', '^line 5 of .* again, after line 2 of '),
        ('train', './train/a/1.jpg 0', '', '^line 5 of .* again, after line 2 of '),
        ('val', '', 'train/a/4.jpg 0', '^line 3 of .* again, after line 1 of '),
        ('val', '', '/train/a/1.jpg 0', r'^line 3 of .*val.* \(line 2 of .*train.txt'),
    ],
)
def test_wrong_line(tiny, split, train, val, message):
    with pytest.raises(ValueError, match=message) as error:
        tiny(split, [*tiny.train, train], [*tiny.val, val], images=tiny.images)
    assert '\n' not in str(error.value)


def test_class_without_a_training_image(tiny):
    for split in ('train', 'val'):
        with pytest.raises(
            ValueError, match=r"'.*train.txt' lists no .*class 2 \(1 of"
        ):
            tiny(split, tiny.train[:3])


def test_wrong_number_of_classes(tmp_path):
    """A list of another data set is noticed."""
    lines = [f'train/{y}/{y}.jpg {y}\n' for y in range(366)]
    (tmp_path / 'Places_LT_train.txt').write_text(''.join(lines))
    with pytest.raises(ValueError, match='^line 366 .*label 365, .* in 0..364'):
        PlacesLT(str(tmp_path))
    (tmp_path / 'Places_LT_train.txt').write_text(''.join(lines[:300]))
    with pytest.raises(ValueError, match='class 300 .65 of 365 .* number 300'):
        PlacesLT(str(tmp_path))


def test_missing_images(tiny):
    message = r"^2 of the 4 images of '.*' do not exist, the first of them '.*a/1.jpg' "
    with pytest.raises(FileNotFoundError, match=message + r'\(line 2 of') as error:
        tiny(images=['train/a/0.jpg', 'train/c/3.jpg'])
    assert 'tools/dataset_converters/imagenet_lt.py' in str(error.value)
    assert len(tiny(images=[], check_files=False)) == 4


def test_missing_folder_is_named_as_in_the_list(tiny):
    images = [path for path in tiny.images if path != 'train/b/2.jpg']
    with pytest.raises(FileNotFoundError, match="img/train/b/2.jpg' .line 3 of"):
        tiny(images=images)


def test_missing_list(tmp_path):
    with pytest.raises(
        FileNotFoundError, match='converters/places_lt.py`, or set `dat'
    ):
        PlacesLT(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no list '.*/iNaturalist18_train.txt'"):
        INaturalist2018(str(tmp_path), 'val')


def test_unknown_split():
    with pytest.raises(ValueError, match="no split 'test': .* 'train', 'val'.$"):
        INaturalist2018('data', 'test')


def test_lists_elsewhere(tiny, tmp_path):
    tiny()
    (tmp_path / 'other').mkdir()
    for name in ('train', 'val'):
        (tmp_path / f'ImageNet_LT_{name}.txt').rename(tmp_path / f'other/{name}.txt')
    lists = dict(ann_file='other/val.txt', train_ann_file='other/train.txt')
    dataset = ImageNetLT(
        str(tmp_path), 'val', data_prefix='img', metainfo=dict(classes='abc'), **lists
    )
    assert dataset.metainfo['class_counts'] == [2, 1, 1]
    assert dataset.CLASSES == ('a', 'b', 'c')
    # What all splits share may name the training list.
    kwargs = dict(data_prefix='img', classes=['a', 'b', 'c'])
    train = ImageNetLT(str(tmp_path), train_ann_file='other/train.txt', **kwargs)
    assert len(train) == 4
    with pytest.raises(ValueError, match="'a.txt' and 'b.txt': set one of"):
        ImageNetLT(ann_file='a.txt', train_ann_file='b.txt', **kwargs)


def test_home_folder(minis, monkeypatch):
    """No shell expands it in `--cfg-options KEY=~/places_lt`."""
    monkeypatch.setenv('HOME', str(minis))
    test_set = PlacesLT('~/places_lt', 'test', train_ann_file='Places_LT_train.txt')
    assert len(test_set) == len(PlacesLT(str(minis / 'places_lt'), 'test'))
    lists = [f'~/places_lt/Places_LT_{split}.txt' for split in ('test', 'train')]
    assert len(PlacesLT('', 'test', *lists, data_prefix='~/places_lt')) == len(test_set)


def test_lazy_and_indices(tiny):
    dataset = tiny(lazy_init=True, indices=[3, 0])
    assert 'class_counts' not in dataset.metainfo
    dataset.full_init()
    assert dataset.get_gt_labels().tolist() == [2, 0] and len(dataset) == 2
    assert dataset.metainfo['class_counts'] == [1, 0, 1]
    assert tiny(indices=-3).get_gt_labels().tolist() == [0, 1, 2]
    assert tiny(indices=3).get_gt_labels().tolist() == [0, 0, 1]


@pytest.mark.parametrize('serialize_data', [True, False])
@pytest.mark.parametrize('indices', [[3, 1], 2, -2, []])
def test_labels_follow_subsets(tiny, indices, serialize_data):
    """The array of labels agrees with the items, which MMEngine selects."""
    whole = tiny(serialize_data=serialize_data)
    copied = whole.get_subset(indices)
    assert len(whole) == len(whole.get_gt_labels()) == 4
    whole.get_subset_(indices)
    for dataset in (copied, whole):
        assert len(dataset) == (2 if indices != [] else 0)
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        labels = [info['gt_label'] for info in infos]
        assert dataset.get_gt_labels().tolist() == labels
        assert [dataset.get_cat_ids(i) for i in range(len(labels))] == [
            [label] for label in labels
        ]


def test_composes_with_wrapper_and_sampler(minis):
    """Every class is drawn once, and the images have the drawn labels."""
    places = PlacesLT(str(minis / 'places_lt'), pipeline=[dict(type='LoadImageOrSkip')])
    wrapped = LongTailed(places, imbalance_ratio=None)
    assert wrapped.metainfo['class_counts'] == places.metainfo['class_counts']
    sampler = ClassBalancedSampler(wrapped, seed=0, num_samples=365)
    drawn = list(sampler)
    assert sorted(get_gt_labels(wrapped)[drawn]) == list(range(365))
    item = wrapped[drawn[0]]
    assert item['gt_label'] == get_gt_labels(wrapped)[drawn[0]]
    assert item['img'].shape == (20, 16, 3)


def test_survives_pickling(minis):
    """Workers that are spawned receive the data set as a pickle."""
    places = PlacesLT(str(minis / 'places_lt'), pipeline=[dict(type='LoadImageOrSkip')])
    again = pickle.loads(pickle.dumps(places))
    assert again[366]['img_path'] == places[366]['img_path']
    np.testing.assert_array_equal(again.get_gt_labels(), places.get_gt_labels())


def test_builds_from_a_config():
    config = dict(type='PlacesLT', data_root='data/places_lt', lazy_init=True)
    assert isinstance(DATASETS.build(config), PlacesLT)


# ----------------------------------------------------------- where images may lie
@pytest.mark.parametrize(
    'path', ['../x/0.jpg', '/etc/passwd', 'train/../../x/0.jpg', '/dev/zero']
)
def test_images_outside_of_the_root_have_to_be_allowed(tiny, tmp_path, path):
    write_images(tmp_path, ['x/0.jpg'])
    line = f'{path} 2'
    message = "^line 5 of '.*train.txt' names .*not below '.*img'.*`outside_root=True`"
    with pytest.raises(ValueError, match=message):
        tiny(train=[*tiny.train, line], check_files=False)
    allowed = tiny(train=[*tiny.train, line], check_files=False, outside_root=True)
    assert len(allowed) == 5


def test_images_of_an_absolute_list_are_found_through_a_link(tiny, tmp_path):
    """As the converters make it: the folder below the root is a link to it."""
    write_images(tmp_path / 'elsewhere', tiny.images)
    (tmp_path / 'img').mkdir()
    (tmp_path / 'img/train').symlink_to(tmp_path / 'elsewhere/train')
    train = [f'{tmp_path}/elsewhere/{line}' for line in tiny.train]
    dataset = tiny(train=train, images=[])
    assert dataset.get_data_info(0)['img_path'] == f'{tmp_path}/img/train/a/0.jpg'
    inside = [f'{tmp_path}/img/{line}' for line in tiny.train]
    assert len(tiny(train=inside, images=[])) == 4


def test_duplicates_through_dots(tiny):
    for again in ('train/b/../a/1.jpg 0', 'train//a/./1.jpg 0'):
        with pytest.raises(ValueError, match='^line 5 of .* again, after line 2 of '):
            tiny(train=[*tiny.train, again])


def test_named_pipes_and_folders_are_no_images(tiny, tmp_path):
    images = [path for path in tiny.images if path != 'train/b/2.jpg']
    (tmp_path / 'img/train/b').mkdir(parents=True)
    os.mkfifo(tmp_path / 'img/train/b/2.jpg')
    message = (
        '1 of the 4 images of .* are not regular files.*2.jpg. .a named pipe, line 3'
    )
    with pytest.raises(FileNotFoundError, match=message):
        tiny(images=images)
    (tmp_path / 'img/train/b/2.jpg').unlink()
    (tmp_path / 'img/train/b/2.jpg').symlink_to(tmp_path / 'gone')
    with pytest.raises(FileNotFoundError, match='do not exist'):
        tiny(images=images)


def test_an_empty_list_is_no_split(tiny):
    with pytest.raises(ValueError, match="val.txt' lists no image: "):
        tiny('val', val=[])


def test_class_names_of_a_file(tiny, tmp_path):
    (tmp_path / 'names.txt').write_text('\ufeffa\n\nb \nc\n\n', encoding='utf-8')
    tiny()
    kwargs = dict(data_prefix='img', classes=str(tmp_path / 'names.txt'))
    assert tuple(ImageNetLT(str(tmp_path), **kwargs).CLASSES) == ('a', 'b', 'c')
