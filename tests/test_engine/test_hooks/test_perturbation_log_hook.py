# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Logged scalars against class gradients taken one by one, in MMEngine's own runner."""

import json
import math
import statistics
from pathlib import Path

import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModule
from mmengine.registry import DATASETS
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from ccsam_mm.engine.hooks import PerturbationLogHook
from ccsam_mm.engine.optim_wrappers import CCSAMOptimWrapper
from ccsam_mm.engine.passes.last_perturbation import LastPerturbation

COUNTS = [500, 300, 60, 100, 7, 1]
FLOOR = 1.0
GROUP_OF = ['many', 'many', 'medium', 'medium', 'few', 'few']


@DATASETS.register_module(name='TinyPictures', force=True)
class TinyPictures(BaseDataset):
    """Random images with the given labels, in their order."""

    def __init__(self, labels, **kwargs):
        self.labels = labels
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(gt_label=label) for label in self.labels]

    def prepare_data(self, idx):
        image = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(idx))
        label = self.get_data_info(idx)['gt_label']
        return dict(inputs=image, data_samples=DataSample().set_gt_label(label))


@MODELS.register_module(name='PlainBackbone', force=True)
class PlainBackbone(BaseModule):
    """Nothing that couples images."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        return (self.conv(x).tanh().mean(dim=(2, 3)),)


@pytest.fixture
def train(make_runner):
    """Trains an epoch with learning rate 0 and returns the runner."""

    def run(labels, hooks=({},), batch_size=None, interval=1, **optim_wrapper):
        wrapper = dict(type='CCSAMOptimWrapper', class_counts=COUNTS)
        wrapper.update(optimizer=dict(lr=0.0), **optim_wrapper)
        head = dict(type='LinearClsHead', num_classes=6, in_channels=4)
        runner = make_runner(
            model=dict(
                _delete_=True,
                type='ImageClassifier',
                backbone=dict(type='PlainBackbone'),
                head=head,
                data_preprocessor=dict(),
            ),
            train_dataloader=dict(
                batch_size=batch_size or len(labels),
                dataset=dict(type='TinyPictures', labels=labels),
                sampler=dict(shuffle=False),
            ),
            train_cfg=dict(max_epochs=1),
            optim_wrapper=wrapper,
            default_hooks=dict(logger=dict(interval=interval)),
            custom_hooks=[dict(type='PerturbationLogHook', **hook) for hook in hooks],
        )
        runner.train()
        return runner

    return run


def logged(runner):
    """Scalars that only the hook writes, with all their values."""
    prefixes = ('relative_norm/', 'class_gradient/', 'gradient_factor/', 'capped_')
    return {
        name[len('train/') :]: buffer.data[0].tolist()
        for name, buffer in runner.message_hub.log_scalars.items()
        if name[len('train/') :].startswith(prefixes)
    }


def recomputed(runner, perturb, cap, floor):
    """The scalars of one batch of the whole data set, class by class (Eq. 8 and 9)."""
    model, dataset = runner.model, runner.train_dataloader.dataset
    parts = [p for n, p in model.named_parameters() if n.startswith(perturb)]
    weight_norm = math.sqrt(sum(float((p.detach() ** 2).sum()) for p in parts))
    k = sum(p.numel() for p in parts)
    values = {}
    for label in set(dataset.labels):
        rows = [i for i, c in enumerate(dataset.labels) if c == label]
        images = torch.stack([dataset[i]['inputs'] for i in rows])
        scores = model(images, mode='tensor')
        loss = F.cross_entropy(scores, torch.full((len(rows),), label))
        grads = torch.autograd.grad(loss, parts)
        norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
        n = max(COUNTS[label] - 1, 1)
        factor = math.sqrt(weight_norm / (2 * max(norm, floor)))
        rho = factor / (k * n) ** 0.25
        values[label] = norm, math.sqrt(k) * rho / weight_norm, factor
    scalars = {}
    for group in ('many', 'medium', 'few'):
        inside = [v for label, v in values.items() if GROUP_OF[label] == group]
        if inside:
            norms, lengths, factors = zip(*inside)
            scalars[f'class_gradient/{group}'] = sum(norms) / len(inside)
            mean = sum(min(length, cap or length) for length in lengths) / len(inside)
            scalars[f'relative_norm/{group}'] = mean
            scalars[f'gradient_factor/{group}'] = statistics.geometric_mean(factors)
    if cap:
        capped = sum(length > cap for _, length, _ in values.values())
        scalars['capped_classes'] = capped / len(values)
    return scalars


# The caps are between the perturbations of few and other images, the floor is above
# some gradients.
@pytest.mark.parametrize(
    'perturb, cap, floor',
    [('head', 4.0, 0), ('', 1.0, 0), ('', None, 0), ('', None, FLOOR)],
)
@pytest.mark.parametrize(
    'labels',
    [
        # Unequal numbers of images: each class counts once.
        [5, 0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 5],
        # No class with a medium number of images.
        [0, 5, 0, 0],
    ],
)
def test_values(train, labels, perturb, cap, floor):
    options = dict(max_relative_norm=cap, min_grad_norm=floor)
    runner = train(labels, perturb=perturb, **options)
    expected = recomputed(runner, perturb, cap, floor)
    actual = logged(runner)
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name] == [pytest.approx(value, rel=1e-4)], name
    # Some classes are at the cap and some are not, or it shows nothing.
    assert 0 < expected.get('capped_classes', 0.5) < 1
    assert not floor or expected != recomputed(runner, perturb, cap, 0)
    # What the visualizer drew.
    text = (Path(runner.log_dir) / 'vis_data/scalars.json').read_text()
    drawn = json.loads(text.splitlines()[-1])
    for name, values in actual.items():
        assert drawn[name] == values[0]
    assert drawn['clean_objective'] < drawn['loss']


def test_count_factors_are_logged_once(train):
    runner = train([0, 5] * 2, batch_size=2)
    (log,) = Path(runner.log_dir).glob('*.log')
    # Square roots of 499 ** -.25 * 299 ** -.25, 59 ** -.25 * 99 ** -.25 and 6 ** -.25.
    means = '(n_c - 1)^(-1/4): many 0.226, medium 0.338, few 0.799\n'
    assert log.read_text().count(means) == 1


def test_a_fixed_radius_has_no_factors(train):
    runner = train([0, 5], radius=1.0)
    assert {'relative_norm/many', 'relative_norm/few'} <= set(logged(runner))
    assert not [name for name in logged(runner) if 'factor' in name]
    (log,) = Path(runner.log_dir).glob('*.log')
    assert '^(-1/4)' not in log.read_text()


def test_nothing_is_written_without_the_hook(train):
    runner = train([0, 2, 5], hooks=())
    assert logged(runner) == {}


def test_other_optimizer_wrappers_are_left_alone(make_runner):
    runner = make_runner(custom_hooks=[dict(type='PerturbationLogHook')])
    runner.train()
    assert logged(runner) == {}


@pytest.mark.parametrize(
    'hook, interval, readings',
    # Seven iterations; MMEngine logs the last one of an epoch, too.
    [({}, 3, 3), ({}, 7, 1), (dict(interval=2), 7, 4)],
)
def test_reads_as_often_as_mmengine_logs(train, hook, interval, readings):
    runner = train([0, 5] * 7, [hook], batch_size=2, interval=interval)
    assert len(logged(runner)['relative_norm/few']) == readings


@pytest.mark.parametrize('overflown, left', [([1], 3), ([0, 1, 2], 0)])
def test_overflown_gradients_are_left_out(train, monkeypatch, overflown, left):
    norms = torch.tensor([2.0, 2.0, 2.0])
    norms[overflown] = math.inf
    last = LastPerturbation(
        torch.tensor([0, 1, 5]),
        norms,
        torch.where(norms.isinf(), 0, norms / 20),
        torch.tensor(1.0),
    )
    monkeypatch.setattr(CCSAMOptimWrapper, 'last_perturbation', last)
    runner = train([0, 5], max_relative_norm=0.1)
    scalars = logged(runner)
    assert len(scalars) == (7 if left else 0)
    assert scalars.get('relative_norm/many', [0.1]) == [pytest.approx(0.1)]
    assert scalars.get('capped_classes', [1]) == [1]


def test_unknown_class_counts_are_refused_before_training(train):
    with pytest.raises(RuntimeError, match='PerturbationLogHook does not know'):
        train([0, 1], radius=1.0, class_counts=None)


def test_wrong_interval():
    with pytest.raises(ValueError, match='interval=0'):
        PerturbationLogHook(interval=0)
