# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Brings downloads into the folder that a config reads, for all converters.

A converter describes its benchmark and calls :func:`convert`. Folders are linked,
archives unpacked, lists copied; existing targets stay as they are, so that a second run
changes nothing.
"""

import argparse
import filecmp
import os
import os.path as osp
import sys
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

REPO = osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__))))
if osp.isdir(osp.join(REPO, 'ccsam_mm')):
    # A clone works as it is, and is not mixed up with an installed version.
    sys.path.insert(0, REPO)

from file_placing import copy, link, unpack  # noqa: E402
from split_checks import check_splits, verify_images  # noqa: E402


@dataclass(frozen=True)
class Part:
    """A folder of images or a list that a data set needs.

    Args:
        what (str): Its name in messages.
        places (dict[str, Sequence[str]]): Names below the data root, the preferred
            first, with their places in downloads: a path below a download folder, or
            'ARCHIVE.tar:PREFIX' for the contents of an archive below a prefix.
        download (str): Where to get it, for messages.
        split (str): The only split that needs it, which is optional then; '' if all
            splits need it. Defaults to ''.
    """

    what: str
    places: Dict[str, Sequence[str]]
    download: str
    split: str = ''


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, its parts, and the numbers that a complete one has.

    Args:
        name (str): The name.
        dataset (type): The class of :mod:`ccsam_mm.datasets` that reads it.
        data_root (str): The folder that the configs read.
        parts (Sequence[Part]): The folders and lists that it needs.
        expected (dict[str, str]): The correct values of the counts of
            :func:`split_checks.check_splits`.
    """

    name: str
    dataset: type
    data_root: str
    parts: Sequence[Part]
    expected: Dict[str, str]


@dataclass(frozen=True)
class Step:
    """A target, and the folder, file or part of an archive that it is made from."""

    target: str
    source: str
    prefix: Optional[str] = None

    def describe(self, by_copy: bool) -> str:
        """Say what the step does."""
        if self.prefix is not None:
            below = f" below '{self.prefix}'" if self.prefix else ''
            return f"unpack '{self.source}'{below} to '{self.target}'"
        verb = 'copy' if by_copy or osp.isfile(self.source) else 'link'
        return f"{verb} '{self.source}' to '{self.target}'"

    def run(self, by_copy: bool) -> None:
        """Run the step; the target appears when it is complete."""
        os.makedirs(osp.dirname(self.target), exist_ok=True)
        if self.prefix is not None:
            unpack(self.source, self.prefix, self.target)
        elif by_copy or osp.isfile(self.source):
            copy(self.source, self.target)
        else:
            link(self.source, self.target)


def convert(benchmark: Benchmark, doc: str, argv: Optional[List[str]] = None) -> int:
    """Run a converter.

    Args:
        benchmark (Benchmark): The benchmark.
        doc (str): The explanation for ``--help``.
        argv (list[str], optional): The command line. Defaults to None, that of the
            process.

    Returns:
        int: The exit status, 0 if the data set is complete.
    """
    args = parse_args(benchmark, doc, argv)
    try:
        steps = plan(benchmark, args.sources, args.out)
        for step in steps:
            text = step.describe(args.copy)
            print(f'would {text}' if args.dry_run else text, flush=True)
            if not args.dry_run:
                step.run(args.copy)
        if steps and args.dry_run:
            return 0
        if not steps:
            print(f"'{args.out}' has all of it already: nothing to change")
        complete = check_splits(benchmark, args.out)
        if args.verify:
            complete = verify_images(benchmark, args.out, args.jobs) and complete
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if complete else 1


def parse_args(benchmark: Benchmark, doc: str, argv: Optional[List[str]]):
    """Parse the options of all converters."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'sources',
        nargs='*',
        metavar='DOWNLOADS',
        help='folders with the unpacked images, the archives or the lists; '
        'default: the folder of --out',
    )
    parser.add_argument(
        '--out',
        default=benchmark.data_root,
        help=f'`data_root` of the data set; default: {benchmark.data_root}',
    )
    parser.add_argument(
        '--copy',
        action='store_true',
        help='copy folders of images instead of linking them',
    )
    parser.add_argument('--dry-run', action='store_true', help='only print the steps')
    parser.add_argument(
        '--verify',
        action='store_true',
        help='also open every image, and list the unreadable ones in unreadable.txt',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=os.cpu_count(),
        help='number of processes of --verify; default: one for each CPU',
    )
    return parser.parse_args(argv)


def plan(benchmark: Benchmark, sources: Sequence[str], out: str) -> List[Step]:
    """Plan the steps of a conversion.

    Args:
        benchmark (Benchmark): The benchmark.
        sources (Sequence[str]): The folders of the downloads.
        out (str): The data root.

    Returns:
        list[Step]: One step for each part that is not in the data root yet.
    """
    for source in sources:
        if not osp.isdir(source):
            raise FileNotFoundError(
                f"'{source}' is not a folder: give the folder that holds the downloads."
            )
    steps, missing = [], []
    for part in benchmark.parts:
        found = find(part, [*sources, out], out)
        there = [name for name in part.places if osp.lexists(osp.join(out, name))]
        if there:
            check_there(osp.join(out, there[0]), found)
        elif found is not None:
            steps.append(found)
        elif part.split:
            print(f"no {part.what}: the split '{part.split}' is left out")
        else:
            missing.append(_missing(part, [*sources] or [out]))
    if missing:
        raise FileNotFoundError('\n'.join(missing))
    return steps


def find(part: Part, sources: Sequence[str], out: str) -> Optional[Step]:
    """Find a part in the downloads; unpacked files come before archives.

    Args:
        part (Part): The part.
        sources (Sequence[str]): The folders to search, the first one first.
        out (str): The data root.

    Returns:
        Step | None: The step that brings it to the data root, if it is found.
    """
    choices = [
        (name, place) for name, places in part.places.items() for place in places
    ]
    # False before True: folders and files before archives.
    for name, place in sorted(choices, key=lambda choice: ':' in choice[1]):
        path, colon, prefix = place.partition(':')
        for source in sources:
            full = osp.join(source, path)
            if osp.exists(full):
                target = osp.join(out, name)
                return Step(target, full, prefix if colon else None)
    return None


def check_there(target: str, found: Optional[Step]) -> None:
    """Refuse a target that is a broken link, or that differs from the download.

    Args:
        target (str): A folder or file of the data root.
        found (Step, optional): The step that would make it from the downloads.
    """
    if not osp.exists(target):
        raise FileNotFoundError(
            f"'{target}' is a link to '{os.readlink(target)}', which does not exist: "
            'remove the link, and run the converter with the new place.'
        )
    if found is None or found.target != target or found.prefix is not None:
        return
    if osp.isfile(target) and not filecmp.cmp(target, found.source, shallow=False):
        raise FileExistsError(
            f"'{target}' is there already and differs from '{found.source}': remove "
            'the wrong one of the two, because nothing is overwritten.'
        )
    if osp.islink(target) and not osp.samefile(target, found.source):
        raise FileExistsError(
            f"'{target}' is a link to '{os.readlink(target)}', not to "
            f"'{found.source}': remove the link, or leave out that folder, because "
            'nothing is overwritten.'
        )


def _missing(part: Part, sources: Sequence[str]) -> str:
    """The sentence about a part that was not found."""
    places: Tuple[str, ...] = sum(map(tuple, part.places.values()), ())
    expected = ' or '.join(f"'{place.partition(':')[0]}'" for place in places)
    have = [f"'{source}' has {_content(source)}" for source in sources]
    return (
        f'There are no {part.what}: {" and ".join(have)}, but none of {expected}; get '
        f'them from {part.download}.'
    )


def _content(folder: str) -> str:
    """The first names in a folder."""
    names = sorted(os.listdir(folder)) if osp.isdir(folder) else []
    names = [name for name in names if not name.startswith('.')]
    more = ', ...' if len(names) > 4 else ''
    return ', '.join(f"'{name}'" for name in names[:4]) + more or 'nothing'
