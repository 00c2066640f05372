# Copyright (c) ccsam_mm contributors. All rights reserved.
"""One rank of an open-set evaluation; writes what it is told into the given folder."""

import json
import sys
from pathlib import Path

import torch
from mmengine.dist import get_dist_info
from mmpretrain.structures import DataSample

from ccsam_mm.evaluation import OpenSetMetric

SIZE = 41
COUNTS = [200, 50, 3]


def images():
    """Scores, labels and an open-set score of all images."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(-1, 3, (SIZE,), generator=generator)
    scores = torch.rand(SIZE, 3, generator=generator)
    scores[range(SIZE), labels] += 0.5  # so that many are right
    return scores.softmax(1), labels.tolist(), torch.rand(SIZE, generator=generator)


def evaluate(indices, batch_size, **options):
    """Metrics of the images of this rank, in batches."""
    metric = OpenSetMetric(threshold=0.4, score='energy', **options)
    metric.dataset_meta = dict(class_counts=COUNTS)
    scores, labels, energy = images()
    samples = []
    for i in indices:
        sample = DataSample().set_pred_score(scores[i]).set_gt_label(labels[i])
        sample.open_set_scores = {'energy': float(energy[i])}
        samples.append(sample.to_dict())
    for start in range(0, len(samples), batch_size):
        metric.process(None, samples[start : start + batch_size])
    return metric.evaluate(SIZE)


def main(out_dir):
    torch.distributed.init_process_group('gloo')
    rank, world_size = get_dist_info()
    # As DefaultSampler does it: the last rank repeats images to have as many.
    indices = [i % SIZE for i in range(rank, SIZE + SIZE % world_size, world_size)]
    metrics = evaluate(indices, batch_size=6, curve=str(out_dir / f'rank{rank}'))
    (out_dir / f'rank{rank}.json').write_text(json.dumps(metrics))
    torch.distributed.destroy_process_group()


if __name__ == '__main__':
    main(Path(sys.argv[1]))
