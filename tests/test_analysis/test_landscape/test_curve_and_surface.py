# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_losses import tiny_losses

from ccsam_mm.analysis.landscape import (
    curve_csv,
    curve_rows,
    loss_curve,
    loss_groups,
    loss_surface,
    plot_curves,
    plot_sharpness,
    plot_surfaces,
    sharpness_rows,
    surface_axis,
)
from ccsam_mm.sharpness import filter_normalized_direction, gaussian_direction

COUNTS = [500, 50, 5, 5, 5]


def make(perturb='head'):
    _, _, losses = tiny_losses(perturb)
    return losses, loss_groups(losses.labels, COUNTS, [2, 1, 1, 0, 1])


def test_curve_is_the_mean_of_both_ways():
    losses, groups = make()
    ticks = []
    curve = loss_curve(losses, groups, [0, 0.5, 2], 3, lambda: ticks.append(1))
    assert len(ticks) == 9
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        parts = gaussian_direction(list(losses.parameters.values()), generator)
        for place, ratio in enumerate((0, 0.5, 2)):
            step = ratio * losses.vector(parts)
            assert float(step.norm() / losses.vector().norm()) == pytest.approx(ratio)
            for name, weights in groups.items():
                both = [float(weights @ losses.at(s * step)) for s in (1, -1)]
                assert curve[name][place][seed] == pytest.approx(sum(both) / 2)
    # All seeds begin at the loss of the weights.
    assert curve['all'][0] == [float(groups['all'] @ losses.at())] * 3


@pytest.mark.parametrize('perturb', ['head', ''])
def test_surface(perturb):
    losses, groups = make(perturb)
    axis = surface_axis(3, 0.5)
    surface = loss_surface(losses, groups, axis, seed=4)
    generator = torch.Generator().manual_seed(4)
    values = list(losses.parameters.values())
    first, second = (
        losses.vector(filter_normalized_direction(values, generator)) for _ in range(2)
    )
    for row, b in enumerate(axis):
        for column, a in enumerate(axis):
            expected = float(groups['few'] @ losses.at(a * first + b * second))
            assert surface['few'][row][column] == pytest.approx(expected)
    assert surface['all'][1][1] == pytest.approx(float(groups['all'] @ losses.at()))


def test_biases_have_no_filters():
    losses, groups = make('head.fc.bias')
    with pytest.raises(ValueError, match='.fc.bias. have no filters'):
        loss_surface(losses, groups, surface_axis(3, 1.0))


def curves(ratios=(0, 0.1, 0.2, 1), seeds=3):
    losses, groups = make()
    shown = [name for name in groups if name != 'class_mean']
    record = dict(ratios=list(ratios), groups=shown, checkpoints=[])
    for name in ('CE', 'CC-SAM'):
        own = loss_curve(losses, groups, ratios, seeds)
        record['checkpoints'].append(dict(name=name, curve=own))
    return record


def test_table_and_csv():
    record = curves()
    lines = list(csv.DictReader(io.StringIO(curve_csv(record))))
    assert len(lines) == 2 * 5 * 4 * 3
    line = next(x for x in lines if (x['group'], x['ratio'], x['seed']) ==
                ('few', '0.2', '1'))  # fmt: skip
    assert float(line['loss']) == record['checkpoints'][0]['curve']['few'][2][1]
    rows = curve_rows(record)
    assert rows[0] == ['checkpoint', 'group', 'r=0', 'r=0.1', 'r=0.2', 'r=1']
    start, far = (np.mean(record['checkpoints'][0]['curve']['all'][i]) for i in (0, 3))
    assert rows[1][2] == f'{start:.4f}'
    assert rows[1][5] == f'{far - start:+.2g}'
    assert curve_rows(curves((0.1, 1)))[1][2] == '-'


def is_drawn(path, least=1000):
    pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
    return (np.ptp(pixels, axis=-1) > 30).sum() > least  # colours, not only grey


@pytest.mark.parametrize(
    ('ratios', 'seeds'), [((0, 0.1, 0.2, 1), 3), ((0.5, 1), 1), ((0, 0.1), 2)]
)
def test_picture_of_curves(tmp_path, ratios, seeds):
    record = curves(ratios, seeds)
    plot_curves(record, tmp_path / 'new' / 'a.png')
    assert is_drawn(tmp_path / 'new' / 'a.png', 300)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.png']
    plot_curves(record, tmp_path / 'a.svg')
    assert '<svg' in (tmp_path / 'a.svg').read_text()


def test_losses_that_are_not_finite_are_gaps(tmp_path):
    record = curves()
    before = copy.deepcopy(record)
    record['checkpoints'][0]['curve']['few'][3] = [None] * 3
    plot_curves(record, tmp_path / 'a.png')
    assert curve_rows(record)[5][-1] == '+nan'
    assert ',few,1,0,\n' in curve_csv(record)
    plot_curves(before, tmp_path / 'b.png')
    assert (tmp_path / 'a.png').read_bytes() != (tmp_path / 'b.png').read_bytes()


@pytest.mark.parametrize('losses', [[[1, 2], [3, 4]], [[1, 1], [1, 1]],
                                    [[0, None], [1e-9, 50]]])  # fmt: skip
def test_picture_of_surfaces(tmp_path, losses):
    run = dict(name='CE', surface=dict(all=losses, few=losses))
    record = dict(axis=[-1, 1], groups=['all', 'few'], checkpoints=[run, run])
    plot_surfaces(record, tmp_path / 'a.png')
    assert is_drawn(tmp_path / 'a.png')


def test_table_and_picture_of_sharpness(tmp_path):
    own = dict(loss=0.5, eigenvalues=[3.0, 1.0], trace=9.0, trace_low=8.0,
               trace_high=10.0, sam=1e-4, ccsam=0.2, ccsam_norm=0.01)  # fmt: skip
    measures = dict(all=own, few=dict(own, sam=0.5))
    record = dict(options=dict(rho=0.05), checkpoints=[
        dict(name=name, measures=measures) for name in ('CE', 'CC-SAM')])  # fmt: skip
    rows = sharpness_rows(record)
    assert rows[1] == ['CE', 'all', '0.5000', '3 1', '9 ± 1', '0.0001', '0.2000',
                       '0.0100']  # fmt: skip
    assert len(rows) == 5
    plot_sharpness(record, tmp_path / 'a.png')
    assert is_drawn(tmp_path / 'a.png', 500)
