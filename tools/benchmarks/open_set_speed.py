# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Times OpenSetMetric on as many images as Places-LT's test and open splits have.

Process CPU time, the least of several rounds: for ``process`` on all batches, which
MMEngine's Evaluator calls, for ``compute_metrics``, and for the latter with the JSON
file and the picture of the curve. Example:

    OMP_NUM_THREADS=1 python tools/benchmarks/open_set_speed.py
"""

import argparse
import os.path as osp
import sys
import tempfile
import time

sys.path.append(osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__)))))

import torch

from ccsam_mm.evaluation import OpenSetMetric


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--known', type=int, default=36500)
    parser.add_argument('--unknown', type=int, default=6600)
    parser.add_argument('--num-classes', type=int, default=365)
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--rounds', type=int, default=5)
    return parser.parse_args()


def build_batches(args):
    """Data samples as the Evaluator hands them on, a third of the knowns right."""
    torch.manual_seed(0)
    labels = torch.randint(args.num_classes, (args.known + args.unknown,))
    logits = torch.randn(len(labels), args.num_classes)
    logits[range(len(labels)), labels] += 2.5
    labels[args.known :] = -1
    scores, energy = logits.softmax(1), logits.logsumexp(1).tolist()
    samples = [
        dict(gt_label=label, pred_score=score, open_set_scores=dict(energy=value))
        for label, score, value in zip(labels.split(1), scores, energy)
    ]
    size = args.batch_size
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def measure(batches, args, **options):
    """The least times of all rounds."""
    rounds = []
    for _ in range(args.rounds):
        metric = OpenSetMetric(class_counts=[50] * args.num_classes, **options)
        start = time.process_time()
        for batch in batches:
            metric.process(None, batch)
        between = time.process_time()
        metric.compute_metrics(metric.results)
        rounds.append((between - start, time.process_time() - between))
    return [min(times) for times in zip(*rounds)]


def main():
    args = parse_args()
    torch.set_num_threads(1)
    batches = build_batches(args)
    print('| score | process, s | compute_metrics, s |\n|---|--:|--:|')
    with tempfile.TemporaryDirectory() as folder:
        for name, options in (
            ('msp', {}),
            ('energy', dict(score='energy', threshold=7.0)),
            ('msp, with curve', dict(curve=folder)),
        ):
            process, compute = measure(batches, args, **options)
            print(f'| {name} | {process:.2f} | {compute:.2f} |')


if __name__ == '__main__':
    main()
