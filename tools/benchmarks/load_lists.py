# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Times the loading of a list as long as iNaturalist 2018's, and its memory.

A list and a JSON file of the official form are made up, and loaded with all checks
but that of the files (with it, too, with --files, which makes an empty file for each
image). Times are CPU seconds, the best of the rounds. Examples:

    python tools/benchmarks/load_lists.py
    python tools/benchmarks/load_lists.py --entries 115846 --classes 1000 --files
"""

import argparse
import json
import os.path as osp
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

sys.path.append(osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__)))))

import numpy as np

from ccsam_mm.datasets import INaturalist2018

VAL_IMAGES = 3  # per class


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--entries', type=int, default=437_513)
    parser.add_argument('--classes', type=int, default=8142)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--files', action='store_true', help='make empty files, and check them'
    )
    return parser.parse_args()


def make_up(entries, classes):
    """Paths and labels: a long tail, shuffled, with names of the official length."""
    rng = np.random.default_rng(0)
    share = np.exp(-6 * np.arange(classes) / classes)
    more = rng.choice(classes, entries - classes, p=share / share.sum())
    labels = rng.permutation(np.concatenate([np.arange(classes), more])).tolist()
    names = (f'train_val2018/Plantae/{y}/{i:032x}.jpg' for i, y in enumerate(labels))
    return list(names), labels


def write(root, split, paths, labels, classes):
    """Write a split as a list and as JSON."""
    lines = [f'{path} {label}\n' for path, label in zip(paths, labels)]
    (root / f'iNaturalist18_{split}.txt').write_text(''.join(lines))
    rest = dict(license=3, rights_holder='A. Name', width=800, height=600)
    content = dict(
        images=[dict(id=i, file_name=path, **rest) for i, path in enumerate(paths)],
        annotations=[
            dict(id=i, image_id=i, category_id=label) for i, label in enumerate(labels)
        ],
        categories=[
            dict(id=c, name=f'Species {c}', supercategory='Plantae')
            for c in range(classes)
        ],
    )
    (root / f'{split}2018.json').write_text(json.dumps(content))


def load(root, split, suffix, classes, check_files=False, **kwargs):
    lists = {
        s: next(n for n in INaturalist2018.LISTS[s] if n.endswith(suffix))
        for s in ('train', 'val')
    }
    return INaturalist2018(
        str(root),
        split,
        lists[split],
        lists['train'],
        check_files=check_files,
        classes=[str(c) for c in range(classes)],
        **kwargs,
    )


def seconds(rounds, *args, **kwargs):
    """CPU time of a load, the best of some."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        load(*args, **kwargs)
        times.append(time.process_time() - start)
    return min(times)


def megabytes(*args, **kwargs):
    """What Python objects of a loaded data set take, and the peak while it loads."""
    tracemalloc.start()
    dataset = load(*args, **kwargs)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset)
    return held / 2**20, peak / 2**20


def main():
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths, labels = make_up(args.entries, args.classes)
        write(root, 'train', paths, labels, args.classes)
        val = [(y, i) for y in range(args.classes) for i in range(VAL_IMAGES)]
        val_paths = [f'train_val2018/Plantae/{y}/val_{i:028x}.jpg' for y, i in val]
        write(root, 'val', val_paths, [y for y, _ in val], args.classes)
        print(f'{args.entries} training images of {args.classes} classes')
        for suffix in ('.txt', '.json'):
            size = sum(f.stat().st_size for f in root.glob(f'*train*{suffix}')) / 2**20
            print(f'{suffix[1:]}: {size:.0f} MB')
            for split in ('train', 'val'):
                best = seconds(args.rounds, root, split, suffix, args.classes)
                print(f'  load {split}: {best:.2f} s CPU')
        for kind, serialize in (('serialised', True), ('as a list of dicts', False)):
            held, peak = megabytes(
                root, 'train', '.txt', args.classes, serialize_data=serialize
            )
            print(f'memory {kind}: {held:.0f} MB held, {peak:.0f} MB at the peak')
        if args.files:
            for path in paths:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).touch()
            best = seconds(
                args.rounds, root, 'train', '.txt', args.classes, check_files=True
            )
            print(f'load train with the check of its files: {best:.2f} s CPU')


if __name__ == '__main__':
    main()
