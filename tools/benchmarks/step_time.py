# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Times a training step of CC-SAM on the classifier against SGD and SAM.

The methods take turns, so that a machine whose speed drifts slows all of them alike;
the ratios are medians over the rounds. Example:

    python tools/benchmarks/step_time.py --num-classes 100 --batch-size 64 --threads 1
"""

import argparse
import statistics
import time

import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import ccsam_mm  # noqa: F401


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--depth', type=int, default=32, help='depth of the CIFARResNet'
    )
    parser.add_argument('--num-classes', type=int, default=100)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--rounds', type=int, default=30)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    return parser.parse_args()


def build_model(args):
    torch.manual_seed(0)
    model = dict(
        type='ImageClassifier',
        backbone=dict(type='CIFARResNet', depth=args.depth),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=args.num_classes, in_channels=64),
    )
    return MODELS.build(model).to(args.device).train()


def build_wrapper(model, **kwargs):
    optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=2e-4)
    return build_optim_wrapper(model, dict(optimizer=optimizer, **kwargs))


def build_batch(args):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(args.batch_size, 3, 32, 32, generator=generator)
    labels = torch.randint(args.num_classes, (args.batch_size,), generator=generator)
    samples = [DataSample().set_gt_label(int(label)) for label in labels]
    return dict(inputs=inputs, data_samples=samples)


def sgd_step(model, wrapper, batch):
    model.train_step(batch, wrapper)


def sam_step(model, wrapper, batch, rho=0.05):
    """Foret et al. 2021, two passes over the whole network, nothing saved on."""
    data = model.data_preprocessor(batch, True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    params = list(model.parameters())
    grads = torch.autograd.grad(loss, params)
    norm = torch.stack([grad.norm() for grad in grads]).norm() + 1e-12
    steps = torch._foreach_mul(grads, rho / norm.item())
    with torch.no_grad():
        torch._foreach_add_(params, steps)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    with torch.no_grad():
        torch._foreach_sub_(params, steps)
    wrapper.step()
    wrapper.zero_grad()


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    batch = build_batch(args)
    counts = [max(1, 500 // (c + 1)) for c in range(args.num_classes)]
    methods = {}
    for name, step, options in (
        ('SGD', sgd_step, {}),
        ('CC-SAM', sgd_step, dict(type='CCSAMOptimWrapper', class_counts=counts)),
        ('SAM', sam_step, {}),
    ):
        model = build_model(args)
        methods[name] = (step, model, build_wrapper(model, **options))
    times = {name: [] for name in methods}
    for round_ in range(args.rounds + 3):
        for name, (step, model, wrapper) in methods.items():
            start = time.perf_counter()
            step(model, wrapper, batch)
            if args.device != 'cpu':
                torch.cuda.synchronize()
            if round_ >= 3:  # the first rounds warm up
                times[name].append(time.perf_counter() - start)
    print(
        f'CIFARResNet-{args.depth}, batch {args.batch_size}, '
        f'{args.num_classes} classes, {args.device}, '
        f'{args.threads} thread(s), {args.rounds} rounds'
    )
    print(f'{"method":8}{"median ms":>12}{"/ SGD":>9}{"/ SAM":>9}')
    for name, own in times.items():
        median = 1000 * statistics.median(own)
        print(f'{name:8}{median:12.1f}', end='')
        for base in ('SGD', 'SAM'):
            ratio = statistics.median(a / b for a, b in zip(own, times[base]))
            print(f'{ratio:9.3f}', end='')
        print()


if __name__ == '__main__':
    main()
