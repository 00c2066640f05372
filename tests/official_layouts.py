# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The long-tailed benchmarks as they lie on disk: exact counts, made-up images."""

import json
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np

LISTS = {
    'imagenet_lt': 'ImageNet_LT_{}.txt',
    'places_lt': 'Places_LT_{}.txt',
    'inaturalist2018': 'iNaturalist18_{}.txt',
}
# The ways in which lists write paths and archives unpack, the usual one first.
DIALECTS = {
    'imagenet_lt': ('folders', 'flat'),
    'places_lt': ('data_256', 'easy'),
    'inaturalist2018': ('train_val2018', 'bare'),
}
# Images in all, most and fewest of a class, classes with many, medium, few images.
TRAIN = {
    'imagenet_lt': (115_846, 1280, 5, (385, 479, 136)),
    'places_lt': (62_500, 4980, 5, (131, 163, 71)),
    'inaturalist2018': (437_513, 1000, 2, (842, 4076, 3224)),
}
# Images per class; of the open split, which has no classes, in all.
OTHERS = {
    'imagenet_lt': dict(val=20, test=50, open=18_000),
    'places_lt': dict(val=20, test=100, open=6_600),
    'inaturalist2018': dict(val=3),
}
MINI_IMAGES = 40  # of a split other than train


@cache
def true_counts(name):
    """Training images per class, with the sum, ends and shot groups of the original.

    The classes come in no order, as in the originals.
    """
    total, largest, smallest, (many, medium, few) = TRAIN[name]
    tail = [_decay(100, 20, medium), _decay(19, smallest, few)]
    rest = total - sum(counts.sum() for counts in tail)
    low, high = 0.1, 20.0
    for _ in range(60):  # bisection of the steepness
        steepness = (low + high) / 2
        head = _decay(largest, 101, many, steepness)
        low, high = (steepness, high) if head.sum() > rest else (low, steepness)
    missing = int(rest - head.sum())
    # One image more or less, in classes that stay between the ends.
    inner = np.arange(1, 1 + abs(missing)) if missing > 0 else np.arange(-missing)
    head[inner] += np.sign(missing)
    head[0] = largest
    head[1] += rest - head.sum()
    counts = np.concatenate([head, *tail])
    assert counts.sum() == total and counts.max() == largest
    return np.random.default_rng(0).permutation(counts).tolist()


def _decay(first, last, size, steepness=1.0):
    """Counts from first to last, falling exponentially."""
    along = np.linspace(0, 1, size) ** (1 / steepness)
    return np.rint(first * (last / first) ** along).astype(int)


def mini_counts(name):
    """Training images per class of a set that is quickly written: 3, 1, 1, ..."""
    return [3] + [1] * (sum(TRAIN[name][3]) - 1)


def entries(name, split, dialect=None, mini=False):
    """Paths and labels of a split, in the order and dialect of the lists."""
    dialect = dialect or DIALECTS[name][0]
    counts = mini_counts(name) if mini else true_counts(name)
    if split == 'open':
        size = MINI_IMAGES if mini else OTHERS[name]['open']
        return [(f'ILSVRC2010_val_{i:08d}.JPEG', -1) for i in range(size)]
    if split == 'train':
        images = [(label, i) for label, n in enumerate(counts) for i in range(n)]
    else:
        each, classes = (1, MINI_IMAGES) if mini else (OTHERS[name][split], len(counts))
        # Numbers that no training image has.
        images = [(label, 5000 + i) for label in range(classes) for i in range(each)]
    path = {'imagenet_lt': _imagenet, 'places_lt': _places}.get(name, _inaturalist)
    if name == 'inaturalist2018':
        np.random.default_rng(0).shuffle(images)
    return [
        (path(split, dialect, int(label), int(i), serial), int(label))
        for serial, (label, i) in enumerate(images)
    ]


def _imagenet(split, dialect, label, i, serial):
    wnid = f'n{1440764 + 13 * label:08d}'
    if split != 'test':
        return f'train/{wnid}/{wnid}_{i}.JPEG'
    folder = 'val' if dialect == 'flat' else f'val/{wnid}'
    return f'{folder}/ILSVRC2012_val_{serial + 1:08d}.JPEG'


def _places(split, dialect, label, i, serial):
    initial = chr(ord('a') + label * 26 // 365)
    scene = f'{initial}_scene{label:03d}' + ('-indoor' if label % 3 == 0 else '')
    nested = f'{initial}/{scene.replace("-", "/")}'
    if split != 'test':
        folder = f'train/{scene}' if dialect == 'easy' else f'data_256/{nested}'
        return f'{folder}/{i:08d}.jpg'
    folder = f'val/{scene}' if dialect == 'easy' else 'val_256'
    return f'{folder}/Places365_val_{serial + 1:08d}.jpg'


def _inaturalist(split, dialect, label, i, serial):
    below = f'{("Insecta", "Plantae", "Aves")[label % 3]}/{label}'
    prefix = '' if dialect == 'bare' else 'train_val2018/'
    return f'{prefix}{below}/{label:016x}{i:016x}.jpg'


def write_list(root, name, split, dialect=None, mini=False):
    """Write the official list of a split; return its path."""
    lines = [f'{p} {y}\n' for p, y in entries(name, split, dialect, mini)]
    Path(root).mkdir(parents=True, exist_ok=True)
    path = Path(root) / LISTS[name].format(split)
    path.write_text(''.join(lines))
    return path


def write_json(root, split, dialect=None, mini=False):
    """Write iNaturalist's official JSON of a split; return its path."""
    content = dict(info={}, images=[], annotations=[], categories=[], licenses=[])
    for i, (path, label) in enumerate(
        entries('inaturalist2018', split, dialect, mini), start=1
    ):
        image = dict(license=3, file_name=path, rights_holder='A. Name', height=600)
        content['images'].append(dict(**image, width=800, id=i))
        content['annotations'].append(dict(image_id=i, category_id=label, id=i))
    content['categories'] = [
        dict(name=f'Species {i}', supercategory='Plantae', id=i) for i in range(8142)
    ]
    Path(root).mkdir(parents=True, exist_ok=True)
    path = Path(root) / f'{split}2018.json'
    path.write_text(json.dumps(content))
    return path


def write_images(root, paths):
    """Write small JPEG images; a few different ones, linked to all paths."""
    rng = np.random.default_rng(0)
    sources = []
    paths = [os.path.join(root, path) for path in paths]
    for i, path in enumerate(path for path in paths if not os.path.exists(path)):
        if i < 5 or i % 2000 == 0:  # file systems limit the links of a file
            os.makedirs(os.path.dirname(path), exist_ok=True)
            image = rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)
            cv2.imwrite(path, image)
            sources.append(path)
            continue
        try:
            os.link(sources[-1 - i % 5], path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.link(sources[-1 - i % 5], path)


def write_mini(root, name, dialect=None):
    """Write lists and images of every split, few of each class; return the paths."""
    written = {}
    for split in ('train', *OTHERS[name]):
        write_list(root, name, split, dialect, mini=True)
        paths = [path for path, _ in entries(name, split, dialect, mini=True)]
        folder = LISTS[name].format('open')[:-4] if split == 'open' else ''
        write_images(root, [os.path.join(folder, path) for path in paths])
        written[split] = paths
    return written
