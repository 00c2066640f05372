# Copyright (c) ccsam_mm contributors. All rights reserved.
"""CIFAR-10-LT and CIFAR-100-LT on tiny fake files in the official layout."""

import pickle
from urllib.error import URLError

import mmpretrain.datasets.cifar
import numpy as np
import pytest
from fake_data import write_cifar
from mmpretrain.registry import DATASETS

from ccsam_mm.datasets import CIFAR10LT, CIFAR100LT, long_tailed_counts

BOTH = pytest.mark.parametrize(
    'cls, per_class, label_key',
    [(CIFAR10LT, 8, 'labels'), (CIFAR100LT, 10, 'fine_labels')],
)


@BOTH
def test_both_splits(tmp_path, cls, per_class, label_key):
    write_cifar(tmp_path, cls, per_class, label_key)
    kwargs = dict(data_root=str(tmp_path), imbalance_ratio=5, verify_md5=False)
    train = DATASETS.build(dict(type=cls.__name__, **kwargs))
    test = DATASETS.build(
        dict(type=cls.__name__, split='test', test_mode=True, **kwargs)
    )

    n_max = per_class * len(cls.train_list)
    num_classes = len(cls.METAINFO['classes'])
    counts = long_tailed_counts(num_classes, n_max, 5)
    assert train.metainfo['class_counts'] == counts
    assert test.metainfo['class_counts'] == counts
    assert np.bincount(train.get_gt_labels()).tolist() == counts
    assert np.bincount(test.get_gt_labels()).tolist() == [per_class] * num_classes
    for data, files in (
        (train, range(len(cls.train_list))),
        (test, [len(cls.train_list)]),
    ):
        infos = [data.get_data_info(i) for i in range(len(data))]
        assert all(info['img'].shape == (32, 32, 3) for info in infos)
        assert all(info['img'][0, 0, 0] == info['gt_label'] for info in infos)
        assert {int(info['img'][0, 1, 0]) for info in infos} == set(files)


def test_images_are_those_of_ldam(tmp_path):
    folder = write_cifar(tmp_path, CIFAR10LT)
    batches = [
        pickle.loads((folder / name).read_bytes()) for name, _ in CIFAR10LT.train_list
    ]
    data = np.concatenate([batch['data'] for batch in batches])
    labels = np.concatenate([batch['labels'] for batch in batches])
    rng = np.random.RandomState(0)
    kept = []
    for c in range(10):
        indices = np.where(labels == c)[0]
        rng.shuffle(indices)
        kept += indices[: int(50 * 0.1 ** (c / 9))].tolist()
    expected = {data[i].reshape(3, 32, 32).transpose(1, 2, 0).tobytes() for i in kept}

    train = CIFAR10LT(str(tmp_path), imbalance_ratio=10, verify_md5=False)
    images = {train.get_data_info(i)['img'].tobytes() for i in range(len(train))}
    assert images == expected


def test_counts_follow_indices_of_the_training_split(tmp_path):
    write_cifar(tmp_path, CIFAR10LT)
    files = dict(data_root=str(tmp_path), imbalance_ratio=10, verify_md5=False)
    few = CIFAR10LT(indices=70, **files)
    counts = np.bincount(few.get_gt_labels(), minlength=10).tolist()
    assert few.metainfo['class_counts'] == counts and sum(counts) == 70
    test = CIFAR10LT(split='test', indices=7, **files)
    assert test.metainfo['class_counts'] == CIFAR10LT(**files).metainfo['class_counts']


def test_another_copy_is_refused_by_default(tmp_path, monkeypatch):
    folder = write_cifar(tmp_path, CIFAR10LT)
    (folder / 'data_batch_1').unlink()  # a missing file must not start a download
    monkeypatch.setattr(
        mmpretrain.datasets.cifar, 'download_and_extract_archive', pytest.fail
    )
    message = "data_batch_2' differs from the original .*`verify_md5=False`"
    for download in (True, False):
        with pytest.raises(ValueError, match=message):
            CIFAR10LT(str(tmp_path), download=download)


def test_original_files_pass_the_check(tmp_path, monkeypatch):
    folder = write_cifar(tmp_path, CIFAR10LT)
    for key in ('train_list', 'test_list'):
        files = [
            [name, mmpretrain.datasets.utils.calculate_md5(str(folder / name))]
            for name, _ in getattr(CIFAR10LT, key)
        ]
        monkeypatch.setattr(CIFAR10LT, key, files)
    assert len(CIFAR10LT(str(tmp_path), imbalance_ratio=1)) == 500


@pytest.mark.parametrize('kwargs', [dict(verify_md5=False), dict(download=False)])
def test_missing_file_is_named_and_not_downloaded(tmp_path, monkeypatch, kwargs):
    monkeypatch.setattr(
        mmpretrain.datasets.cifar, 'download_and_extract_archive', pytest.fail
    )
    message = "CIFAR100LT misses the file '.*cifar-100-python/train': .*`data_root`"
    with pytest.raises(FileNotFoundError, match=message):
        CIFAR100LT(str(tmp_path), **kwargs)


def test_failed_download(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise URLError('no route to host')

    monkeypatch.setattr(mmpretrain.datasets.cifar, 'download_and_extract_archive', fail)
    message = "no 'cifar-10-batches-py' in data_root .*no route.* set `data_root`"
    with pytest.raises(FileNotFoundError, match=message):
        CIFAR10LT(str(tmp_path))


@pytest.mark.parametrize(
    'entry, message',
    [
        (
            dict(data=np.zeros((2, 3072)), labels=[0, 10]),
            "test_batch' holds the label 10",
        ),
        (
            dict(data=np.zeros((2, 3072)), labels=[0, -1]),
            "test_batch' holds the label -1",
        ),
        (
            dict(data=np.zeros((2, 3072)), labels=[0]),
            r'1 labels but `data` of shape \(2',
        ),
        (
            dict(data=np.zeros((1, 784)), labels=[0]),
            r'\(1, 784\) instead of \(1, 3072\)',
        ),
        (dict(images=[]), "test_batch' is not a pickled dict"),
        ([1, 2], "test_batch' is not a pickled dict"),
    ],
)
def test_insane_file_is_named(tmp_path, entry, message):
    folder = write_cifar(tmp_path, CIFAR10LT)
    (folder / 'test_batch').write_bytes(pickle.dumps(entry))
    with pytest.raises(ValueError, match=message):
        CIFAR10LT(str(tmp_path), verify_md5=False)


def test_truncated_file_is_named(tmp_path):
    folder = write_cifar(tmp_path, CIFAR10LT)
    path = folder / 'data_batch_3'
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="data_batch_3' is not a pickled dict"):
        CIFAR10LT(str(tmp_path), verify_md5=False)


def test_too_large_ratio_names_the_class(tmp_path):
    write_cifar(tmp_path, CIFAR10LT)
    with pytest.raises(ValueError, match=r"class 9 \('truck'\) .* to 50 or less"):
        CIFAR10LT(str(tmp_path), imbalance_ratio=60, verify_md5=False)
