# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks that every split of a benchmark is complete, and every image readable."""

import os.path as osp
from functools import cache
from multiprocessing import Pool
from typing import Dict, List, Optional, Tuple

from file_placing import track

from ccsam_mm.datasets import LoadImageOrSkip
from ccsam_mm.datasets.image_folders import missing_files
from ccsam_mm.datasets.quoting import quote
from ccsam_mm.datasets.regular_files import kind_of_file
from ccsam_mm.evaluation import shot_groups
from ccsam_mm.utils.files import write_whole
from ccsam_mm.utils.tables import align_table


def check_splits(benchmark, out: str) -> bool:
    """Load every split with the class that training uses, and compare the numbers.

    Args:
        benchmark (Benchmark): The benchmark and its correct numbers.
        out (str): The data root.

    Returns:
        bool: Whether all numbers are correct and all images exist.
    """
    found, problems = {}, []
    for split in benchmark.dataset.LISTS:
        if not _has_split(benchmark, out, split):
            found[f'{split} images'] = '-'
            continue
        try:
            paths, counts = load_split(benchmark, out, split)
        except ValueError as error:
            problems.append(str(error))
            continue
        found[f'{split} images'] = f'{len(paths):,}'
        if split == 'train':
            found.update(describe_counts(counts))
        problems += _missing_images(split, paths)
    rows, wrong = [[benchmark.name, 'found', 'expected']], []
    for name in {**benchmark.expected, **found}:
        value = found.get(name, 'unreadable')
        expected = benchmark.expected.get(name, '-')
        rows.append([name, value, expected])
        # The split of unknown images is optional, and some numbers are not published.
        if expected != '-' and value not in (expected, '-', 'unreadable'):
            wrong.append(f'{value} instead of {expected} ({name})')
    if wrong:
        problems.append(
            f"The lists in '{out}' have {', '.join(wrong)}: replace them by the "
            'complete ones.'
        )
    print(align_table(rows))
    # A problem of the training list is reported for every split.
    for problem in dict.fromkeys(problems):
        print(problem)
    if not problems:
        print(f"'{out}' is complete.")
    return not problems


def load_split(benchmark, out: str, split: str) -> Tuple[List[str], List[int]]:
    """Read a split.

    Args:
        benchmark (Benchmark): The benchmark.
        out (str): The data root.
        split (str): The split.

    Returns:
        tuple[list[str], list[int]]: The paths of the images, and the number of training
        images of each class.
    """
    dataset = benchmark.dataset(out, split=split, check_files=False, lazy_init=True)
    paths = [info['img_path'] for info in dataset.load_data_list()]
    return paths, dataset.metainfo['class_counts']


def describe_counts(counts: List[int]) -> Dict[str, str]:
    """Describe a long tail by its classes and shot groups.

    Args:
        counts (list[int]): The number of training images of each class.

    Returns:
        dict[str, str]: Number of classes, largest and smallest class, shot groups.
    """
    groups = [str(members.sum()) for members in shot_groups(counts).values()]
    return {
        'classes': f'{len(counts):,}',
        'images per class': f'{max(counts)} .. {min(counts)}',
        'many / medium / few classes': ' / '.join(groups),
    }


def verify_images(benchmark, out: str, jobs: int) -> bool:
    """Open the images of all splits, and list the unreadable ones in a file.

    Args:
        benchmark (Benchmark): The benchmark.
        out (str): The data root, where ``unreadable.txt`` is written.
        jobs (int): The number of processes.

    Returns:
        bool: Whether all of them are readable.
    """
    splits = [s for s in benchmark.dataset.LISTS if _has_split(benchmark, out, s)]
    paths = [p for s in splits for p in load_split(benchmark, out, s)[0]]
    print(f'opening {len(paths):,} images in {jobs} processes', flush=True)
    with Pool(jobs) as pool:
        causes = pool.imap(why_unreadable, paths, chunksize=32)
        causes = list(track(causes, len(paths)))
    lines = [f'{path}: {cause}\n' for path, cause in zip(paths, causes) if cause]
    report = osp.join(out, 'unreadable.txt')
    write_whole(report, ''.join(lines))
    if lines:
        print(
            f"{len(lines):,} of {len(paths):,} images are unreadable, see '{report}': "
            'unpack or download them again.'
        )
    else:
        print(f'All {len(paths):,} images are readable.')
    return not lines


def why_unreadable(path: str) -> Optional[str]:
    """Open an image as training does.

    Args:
        path (str): The image.

    Returns:
        str | None: The cause of a failure, or None if the image is readable.
    """
    try:
        _loader()({'img_path': path})
    except FileNotFoundError:
        return 'the file does not exist'
    except RuntimeError as error:
        cause = error.__cause__ or error
        return ' '.join(f'{cause}'.split()) or type(cause).__name__
    return None


@cache
def _loader() -> LoadImageOrSkip:
    """One loader for each process."""
    return LoadImageOrSkip(max_unreadable=0)


def _has_split(benchmark, out: str, split: str) -> bool:
    """Whether the list of a split exists, and all parts that only this split needs."""
    parts = [part.places for part in benchmark.parts if part.split == split]
    return all(
        any(osp.exists(osp.join(out, name)) for name in names)
        for names in [benchmark.dataset.LISTS[split], *parts]
    )


def _missing_images(split: str, paths: List[str]) -> List[str]:
    """The sentence about the missing images of a split, in a list that may be empty."""
    missing = missing_files(paths)
    if not missing:
        return []
    first = paths[missing[0]]
    kind = kind_of_file(first)
    return [
        f'{len(missing):,} of the {len(paths):,} {split} images '
        f'{"are not regular files" if kind else "do not exist"}, the first of them '
        f'{quote(first)}{f" ({kind})" if kind else ""}: '
        'unpack their archive again, or correct the link to their folder.'
    ]
