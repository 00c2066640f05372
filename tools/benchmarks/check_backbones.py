# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Holds CC-SAM on all of MMPretrain's backbones against brute force, in float64.

Each backbone is built at small size, and its update with the last third of its blocks
perturbed is compared with one copy of the network per class: it is exact, or a sentence
refuses it. Examples:

    python tools/benchmarks/check_backbones.py
    python tools/benchmarks/check_backbones.py --whole --only ResNet BEiTViT
"""

import argparse
import os.path as osp
import sys
import time
import warnings
from collections import Counter

ROOT = osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__))))
sys.path[:0] = [ROOT, osp.join(ROOT, 'tests')]

import backbones  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--only', nargs='+', metavar='NAME', help='these backbones')
    parser.add_argument('--whole', action='store_true', help='perturb all parameters')
    return parser.parse_args()


def main() -> None:
    """Print a row per backbone; exit with 1 where one is neither exact nor refused."""
    warnings.simplefilter('ignore')
    args = parse_args()
    kinds = Counter()
    print(f'{"backbone":28s}{"outcome":11s}{"differs":9s}{"effect":9s}    time')
    for name in args.only or backbones.names():
        start = time.time()
        outcome = backbones.check(name, args.whole)
        kinds[outcome.kind] += 1
        numbers = [
            '' if number is None else f'{number:.1e}'
            for number in (outcome.difference, outcome.effect)
        ]
        sentence = outcome.sentence.partition('\n')[0][:200]
        print(
            f'{name:28s}{outcome.kind:11s}{numbers[0]:9s}{numbers[1]:9s}'
            f'{time.time() - start:6.1f} s '
            f' {sentence}',
            flush=True,
        )
    print(', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items())))
    sys.exit(bool(kinds['WRONG'] or kinds['crashed']))


if __name__ == '__main__':
    main()
