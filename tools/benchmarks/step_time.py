# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Times a training step of CC-SAM against SGD, SAM and a literal loop over classes.

The methods take turns, so that a machine whose speed drifts slows all of them alike;
ratios are medians over the rounds. The memory is what a step takes at its peak, beyond
parameters, gradients and optimizer state. Examples:

    python tools/benchmarks/step_time.py --num-classes 100 --threads 1
    python tools/benchmarks/step_time.py --head-only --batch-size 512 --num-classes 8142
    python tools/benchmarks/step_time.py --device cuda --literal --batch-size 256
"""

import argparse
import os
import os.path as osp
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(osp.dirname(osp.dirname(osp.dirname(osp.abspath(__file__)))))

import torch
from mmengine.model import BaseModule
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import ccsam_mm  # noqa: F401

SCOPES = dict(head='head', last=['backbone.layer3.4', 'head'], all='')
WARM_UP = 2


@MODELS.register_module()
class ScaledInputs(BaseModule):
    """Stands for a trunk that costs nothing, but wants its gradient."""

    def __init__(self, channels):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(channels))

    def forward(self, x):
        """Features, ``(N, channels)``."""
        return (x.flatten(1) * self.scale,)


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--depth', type=int, default=32, help='of the CIFARResNet')
    parser.add_argument('--num-classes', type=int, nargs='+', default=[100])
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument(
        '--head-only', action='store_true', help='a linear layer on 2048 features'
    )
    parser.add_argument(
        '--literal', action='store_true', help='also a copy of the network per class'
    )
    parser.add_argument(
        '--memory',
        action='store_true',
        help='also peak memory, on CPUs under Linux only',
    )
    parser.add_argument('--memory-of', help=argparse.SUPPRESS)
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    return parser.parse_args()


def build_model(args, num_classes):
    torch.manual_seed(0)
    if args.head_only:
        backbone, neck, channels = dict(type='ScaledInputs', channels=2048), None, 2048
    else:
        backbone = dict(type='CIFARResNet', depth=args.depth)
        neck, channels = dict(type='GlobalAveragePooling'), 64
    head = dict(type='LinearClsHead', num_classes=num_classes, in_channels=channels)
    model = dict(type='ImageClassifier', backbone=backbone, neck=neck, head=head)
    return MODELS.build(model).to(args.device).train()


def build_batch(args, num_classes):
    generator = torch.Generator().manual_seed(0)
    shape = (2048, 1, 1) if args.head_only else (3, 32, 32)
    inputs = torch.randn(args.batch_size, *shape, generator=generator)
    labels = torch.randint(num_classes, (args.batch_size,), generator=generator)
    samples = [DataSample().set_gt_label(int(label)) for label in labels]
    return dict(inputs=inputs, data_samples=samples)


def wrapped_step(model, wrapper, batch):
    """A training step by an optimizer wrapper."""
    model.train_step(batch, wrapper)


def literal_step(scope):
    """Eq. 8-11 as they stand: for each class, perturb a copy and run it again."""
    prefixes = (scope,) if isinstance(scope, str) else tuple(scope)

    def step(model, wrapper, batch):
        data = model.data_preprocessor(batch, True)
        labels = torch.cat([sample.gt_label for sample in data['data_samples']])
        part = {n: p for n, p in model.named_parameters() if n.startswith(prefixes)}
        norm = torch.stack([p.detach().norm() for p in part.values()]).norm()
        losses = cross_entropy(model(data['inputs']), labels, reduction='none')
        for label in labels.unique():
            own = labels == label
            grads = torch.autograd.grad(
                losses[own].mean(), list(part.values()), retain_graph=True
            )
            length = torch.stack([grad.norm() for grad in grads]).norm()
            scale = 0.03 * (norm / length).sqrt() / length
            moved = {n: p + scale * g for (n, p), g in zip(part.items(), grads)}
            scores = functional_call(model, moved, (data['inputs'],))
            cross_entropy(scores[own], labels[own], reduction='sum').div(
                len(labels)
            ).backward()
        wrapper.step()
        wrapper.zero_grad()

    return step


def build_methods(args, num_classes):
    """Name -> (step, model, optimizer wrapper)."""
    counts = [max(1, 500 // (c + 1)) for c in range(num_classes)]
    scopes = dict(head='head') if args.head_only else SCOPES
    options = dict(type='CCSAMOptimWrapper', class_counts=counts, rho_scale=0.03)
    plans = [('SGD', wrapped_step, {})]
    plans.append(('SAM', wrapped_step, dict(type='SAMOptimWrapper')))
    for name, scope in scopes.items():
        plans.append((f'CC-SAM {name}', wrapped_step, dict(options, perturb=scope)))
        if args.literal:
            plans.append((f'literal {name}', literal_step(scope), {}))
    methods = {}
    for name, step, extra in plans:
        if args.memory_of not in (None, name):
            continue
        model = build_model(args, num_classes)
        optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=2e-4)
        wrapper = build_optim_wrapper(model, dict(optimizer=optimizer, **extra))
        methods[name] = (step, model, wrapper)
    return methods


def measure(args, num_classes):
    batch = build_batch(args, num_classes)
    methods = build_methods(args, num_classes)
    times = {name: [] for name in methods}
    memory = {}
    if args.memory and args.device == 'cpu':
        memory = {name: memory_in_own_process(num_classes, name) for name in methods}
    for _ in range(args.rounds + WARM_UP):
        for name, (step, model, wrapper) in methods.items():
            if args.device != 'cpu':
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
            start = time.perf_counter()
            step(model, wrapper, batch)
            if args.device != 'cpu':
                torch.cuda.synchronize()
                memory[name] = torch.cuda.max_memory_allocated() - before
            times[name].append(time.perf_counter() - start)
    in_batch = len({int(sample.gt_label) for sample in batch['data_samples']})
    report(args, num_classes, in_batch, times, memory)


def memory_in_own_process(num_classes, name):
    """Bytes that a step takes; a process of its own holds no other method's memory."""
    command = [sys.executable, *sys.argv, '--memory-of', name]
    command += ['--num-classes', str(num_classes)]
    # Large tensors then go back to the system as soon as they are freed.
    env = dict(os.environ, MALLOC_MMAP_THRESHOLD_='65536')
    output = subprocess.run(command, env=env, check=True, capture_output=True).stdout
    return int(output.split()[-1])


def print_memory(args, num_classes):
    """The other end of ``memory_in_own_process``."""
    batch = build_batch(args, num_classes)
    ((step, model, wrapper),) = build_methods(args, num_classes).values()
    for _ in range(WARM_UP):
        step(model, wrapper, batch)
    Path('/proc/self/clear_refs').write_text('5')  # the peak starts anew
    before = status('VmRSS')
    step(model, wrapper, batch)
    print(status('VmHWM') - before)


def status(key):
    """A size of this process in bytes."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return 1024 * int(next(x for x in lines if x.startswith(key)).split()[1])


def report(args, num_classes, in_batch, times, memory):
    network = 'linear 2048' if args.head_only else f'CIFARResNet-{args.depth}'
    print(
        f'\n{network}, batch {args.batch_size}, {num_classes} classes ({in_batch} in '
        f'the batch), {args.device}, {args.threads} thread(s), {args.rounds} rounds\n'
    )
    print('| method | ms | / SGD | / SAM |' + (' MiB |' if memory else ''))
    print('|---|--:|--:|--:|' + ('--:|' if memory else ''))
    for name, own in times.items():
        median = 1000 * statistics.median(own[WARM_UP:])
        ratios = [
            statistics.median(
                a / b for a, b in zip(own[WARM_UP:], times[base][WARM_UP:])
            )
            for base in ('SGD', 'SAM')
        ]
        row = f'| {name} | {median:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} |'
        print(row + (f' {memory[name] / 2**20:.0f} |' if memory else ''))


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    for num_classes in args.num_classes:
        (print_memory if args.memory_of else measure)(args, num_classes)


if __name__ == '__main__':
    main()
