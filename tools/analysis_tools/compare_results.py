# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Compare the test metrics of several runs in a table and a picture."""

import argparse
import os.path as osp
import sys

sys.path.append(osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__)))))
sys.path.append(osp.dirname(osp.dirname(osp.abspath(__file__))))

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences()

from ccsam_mm.analysis import format_table, load_metrics, plot_class_accuracy


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'results',
        nargs='+',
        metavar='NAME=METRICS.json',
        help='a file of tools/test.py with --out METRICS.json --out-item metrics',
    )
    parser.add_argument('--out', help='picture of the accuracy on each class')
    args = parser.parse_args()
    for result in args.results:
        if '=' not in result:
            parser.error(f'{result} has no name: write NAME={result}')
    return args


def main():
    args = parse_args()
    named = (result.split('=', 1) for result in args.results)
    results = {name: load_metrics(path) for name, path in named}
    print(format_table(results))
    if args.out:
        plot_class_accuracy(results, args.out)
        print(f'\nThe accuracy on each class is drawn in {args.out}')


if __name__ == '__main__':
    main()
