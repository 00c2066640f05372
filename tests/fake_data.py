# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tiny random data in the official on-disk layouts, for tests of every level."""

import pickle

import numpy as np
from official_layouts import LISTS as OFFICIAL_LISTS
from official_layouts import write_mini

from ccsam_mm.datasets import CIFAR10LT, CIFAR100LT


def write_cifar(root, cls, per_class=10, label_key='labels'):
    """Write CIFAR's pickles, ``per_class`` images of each class in every file."""
    num_classes = len(cls.METAINFO['classes'])
    folder = root / cls.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, (name, _) in enumerate(cls.train_list + cls.test_list):
        labels = rng.permutation(np.repeat(np.arange(num_classes), per_class))
        data = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        # So that an image tells where it is from.
        data[:, 0], data[:, 1] = labels, i
        entry = {'data': data, label_key: labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(entry))
    return folder


def write_fashion_mnist(root):
    """Write the four unpacked files, 200 training and 10 test images per class."""
    rng = np.random.default_rng(0)
    for name, per_class in (('train', 200), ('t10k', 10)):
        labels = np.repeat(np.arange(10, dtype=np.uint8), per_class)
        images = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        for kind, array in (('labels-idx1', labels), ('images-idx3', images)):
            shape = b''.join(size.to_bytes(4, 'big') for size in array.shape)
            head = bytes([0, 0, 8, array.ndim]) + shape
            (root / f'{name}-{kind}-ubyte').write_bytes(head + array.tobytes())


def write_all(root):
    """Write every data set that the configs read, 200 images in the largest class."""
    (root / 'fashion_mnist').mkdir()
    write_fashion_mnist(root / 'fashion_mnist')
    write_cifar(root / 'cifar10', CIFAR10LT, per_class=40)
    write_cifar(root / 'cifar100', CIFAR100LT, per_class=200)
    for name in OFFICIAL_LISTS:
        write_mini(root / name, name)


def use_fake_data(config, root):
    """Point every data set in a config at the files of :func:`write_all`."""
    if isinstance(config, dict):
        if config.get('data_root', '').startswith('data/'):
            config['data_root'] = str(root / config['data_root'][len('data/') :])
        if str(config.get('type')).startswith('CIFAR10'):
            config['verify_md5'] = False
        if 'max_per_class' in config:
            config.update(max_per_class=100, held_out=10)
        if 'pipeline' in config:
            # Or the garbage collector would run for every data set.
            config['serialize_data'] = False
        for value in config.values():
            use_fake_data(value, root)
    elif isinstance(config, (list, tuple)):
        for value in config:
            use_fake_data(value, root)
