# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: loops over classes and images in Python's own numbers."""

import json
import logging
from statistics import mean

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.evaluator import Evaluator
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.registry import METRICS
from mmpretrain.structures import DataSample

from ccsam_mm.evaluation import ShotAccuracy

COUNTS = [500, 101, 100, 20, 19, 1]


@pytest.fixture(autouse=True)
def hub():
    """A message hub of its own, as every Runner has one."""
    name = f'shot_accuracy_{id(object())}'
    yield MessageHub.get_instance(name)
    MessageHub._instance_dict.pop(name)


def by_loops(pred, target, counts, rule):
    """The definition, one class after the other."""
    accuracy = {}
    for c in range(len(counts)):
        hits = [p == c for p, t in zip(pred, target) if t == c]
        if hits:
            accuracy[c] = 100 * sum(hits) / len(hits)
    metrics = {
        'top1': 100 * sum(p == t for p, t in zip(pred, target)) / len(pred),
        'class_mean': mean(accuracy.values()),
    }
    groups = {'many': [], 'medium': [], 'few': []}
    for c, value in accuracy.items():
        if rule == 'strict':
            name = 'many' if counts[c] > 100 else 'medium' if counts[c] >= 20 else 'few'
        else:
            name = 'many' if counts[c] >= 100 else 'medium' if counts[c] > 20 else 'few'
        groups[name].append(value)
    metrics.update({name: mean(values) for name, values in groups.items() if values})
    return metrics


def samples(pred, target, num_classes=None):
    """Data samples with scores, or with labels alone."""
    result = []
    for p, t in zip(pred, target):
        sample = DataSample().set_gt_label(t).set_pred_label(p)
        if num_classes:
            scores = torch.full((num_classes,), 0.1)
            scores[p] = 0.9
            sample.set_pred_score(scores)
        result.append(sample)
    return result


@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60
    ),
    counts=st.lists(
        st.sampled_from([1, 19, 20, 21, 99, 100, 101, 500]), min_size=6, max_size=6
    ),
    rule=st.sampled_from(['strict', 'inclusive']),
)
@settings(deadline=None, max_examples=100)
def test_equals_loops(pairs, counts, rule):
    pred, target = zip(*pairs)
    expected = by_loops(pred, target, counts, rule)
    metrics = ShotAccuracy.calculate(pred, target, counts, rule)
    assert metrics == pytest.approx(expected)
    assert all(type(value) is float for value in metrics.values())


@pytest.mark.parametrize('scores', [True, False])
def test_evaluator_in_batches(scores):
    pred, target = [0, 1, 1, 3, 5, 5], [0, 1, 2, 3, 4, 5]
    evaluator = Evaluator([dict(type='mmpretrain.ShotAccuracy')])
    evaluator.dataset_meta = dict(class_counts=COUNTS)
    data = samples(pred, target, 6 if scores else None)
    evaluator.process(data[:4])
    evaluator.process(data[4:])
    expected = by_loops(pred, target, COUNTS, 'strict')
    metrics = evaluator.evaluate(6)
    assert metrics == pytest.approx({f'accuracy/{k}': v for k, v in expected.items()})
    assert next(iter(metrics)) == 'accuracy/top1'  # what `save_best='auto'` takes


def test_repeated_images_of_the_last_batch_are_dropped():
    metric = ShotAccuracy(class_counts=[200, 200])
    metric.process(None, [s.to_dict() for s in samples([0, 1, 0], [0, 1, 1], 2)])
    assert metric.evaluate(size=2)['accuracy/top1'] == 100


def test_per_class_values_survive_json():
    metric = METRICS.build(
        dict(type='ShotAccuracy', per_class=True, class_counts=[200, 50, 3])
    )
    metric.process(None, [s.to_dict() for s in samples([0, 1, 0], [0, 0, 2], 3)])
    metrics = json.loads(json.dumps(metric.evaluate(3), allow_nan=False))
    assert metrics['accuracy/per_class'] == [50, None, 0]
    assert metrics['accuracy/class_counts'] == [200, 50, 3]
    assert 'accuracy/medium' not in metrics and metrics['accuracy/class_mean'] == 25


def evaluate(metric, num_classes=2):
    metric.process(None, [s.to_dict() for s in samples([0, 1], [0, 1], num_classes)])
    return metric.evaluate(2)


def test_where_counts_come_from(hub):
    metric = ShotAccuracy()
    with pytest.raises(ValueError, match='`LongTailed` with `reference=.*class_counts'):
        evaluate(metric)
    hub.update_info('dataset_meta', dict(class_counts=[300, 50]))
    assert {'accuracy/many', 'accuracy/medium'} <= evaluate(metric).keys()
    metric.dataset_meta = dict(classes=['cat', 'dog'])
    assert {'accuracy/many', 'accuracy/medium'} <= evaluate(metric).keys()
    metric.dataset_meta = dict(class_counts=[300, 3])
    assert {'accuracy/many', 'accuracy/few'} <= evaluate(metric).keys()
    metric.class_counts = [9, 3]
    assert not {'accuracy/many', 'accuracy/medium'} & evaluate(metric).keys()


def test_warns_if_only_one_split_changed_its_imbalance(hub):
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    metric = ShotAccuracy()
    metric.dataset_meta = dict(class_counts=[300, 50])
    hub.update_info('dataset_meta', dict(class_counts=[300, 50]))
    evaluate(metric)
    assert not messages
    hub.update_info('dataset_meta', dict(class_counts=[300, 3]))
    evaluate(metric)
    logger.removeHandler(handler)
    assert len(messages) == 1 and 'same `imbalance_ratio`' in messages[0]


def test_unusable_input():
    with pytest.raises(ValueError, match="'loose' is unknown: set `shot_rule`"):
        ShotAccuracy(shot_rule='loose')
    with pytest.raises(ValueError, match="'loose' is unknown"):
        ShotAccuracy.calculate([0], [0], [5], shot_rule='loose')
    with pytest.raises(ValueError, match='scores 2 classes, but class_counts has 3'):
        evaluate(ShotAccuracy(class_counts=[9, 9, 9]))
    with pytest.raises(ValueError, match='label 1, but `class_counts` has 1 classes'):
        evaluate(ShotAccuracy(class_counts=[9]), num_classes=None)
    with pytest.raises(ValueError, match='label -1, an unknown class of an open set'):
        data = samples([0], [-1], 2)
        ShotAccuracy(class_counts=[9, 9]).process(None, [s.to_dict() for s in data])
    with pytest.raises(ValueError, match='one label per image, but `gt_label` has 2'):
        data = samples([0], [[0, 1]], 2)
        ShotAccuracy(class_counts=[9, 9]).process(None, [s.to_dict() for s in data])


class Oracle(BaseModel):
    """Predicts the first label of every batch."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        label = int(data_samples[0].gt_label)
        return samples(
            [label] * len(data_samples), [int(s.gt_label) for s in data_samples], 10
        )


@pytest.mark.parametrize('stage', ['val', 'test'])
def test_in_a_runner_with_its_loggers(tmp_path, stage):
    loader = dict(
        batch_size=100,
        num_workers=0,
        dataset=dict(type='DigitsLT', split='test', pipeline=[dict(type='PackInputs')]),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    metric = dict(type='ShotAccuracy', per_class=True)
    runner = Runner(
        model=Oracle(),
        work_dir=str(tmp_path),
        default_scope='mmpretrain',
        experiment_name=f'shot_accuracy_{stage}',
        **{
            f'{stage}_dataloader': loader,
            f'{stage}_evaluator': metric,
            f'{stage}_cfg': dict(),
        },
    )
    metrics = getattr(runner, stage)()
    assert metrics['accuracy/class_counts'] == [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
    assert metrics['accuracy/top1'] == pytest.approx(
        mean(metrics['accuracy/per_class'])
    )
    if stage == 'test':
        written = json.loads(next(tmp_path.glob('*/*.json')).read_text())
        assert written['accuracy/per_class'] == metrics['accuracy/per_class']


def test_scores_that_are_nan_are_refused():
    """argmax would take the first NaN for the largest score."""
    data = [s.to_dict() for s in samples([0, 1], [0, 1], 2)]
    data[1]['pred_score'][0] = float('nan')
    with pytest.raises(ValueError, match='scores that are NaN.*not diverged'):
        ShotAccuracy(class_counts=[200, 5]).process(None, data)


@pytest.mark.parametrize('name', ['ShotAccuracy', 'OpenSetMetric', 'ThresholdChooser'])
def test_no_image_at_all_is_a_sentence(name):
    with pytest.raises(ValueError, match='no image at all: check `data_root`'):
        METRICS.build(dict(type=name)).evaluate(0)
    with pytest.raises(ValueError, match='no image at all'):
        ShotAccuracy.calculate([], [], [5, 5])


def test_accuracy_under_test_priors():
    """By drawing each class as often as its share says, with replacement by copies."""
    counts, priors = [500, 60, 4], ['forward:4', 'uniform', 'backward:4']
    pred, target = [0, 0, 1, 0, 2, 1], [0, 0, 1, 1, 2, 2]
    metric = ShotAccuracy(class_counts=counts, test_priors=priors)
    metric.process(None, [s.to_dict() for s in samples(pred, target, 3)])
    metrics = metric.evaluate(6)
    copies = {'forward_4': (4, 2, 1), 'uniform': (1, 1, 1), 'backward_4': (1, 2, 4)}
    for name, times in copies.items():
        hits = [p == t for p, t in zip(pred, target) for _ in range(times[t])]
        assert metrics[f'accuracy/{name}'] == pytest.approx(100 * mean(hits))
    assert metrics['accuracy/uniform'] == pytest.approx(metrics['accuracy/class_mean'])
    assert metrics['accuracy/forward_4'] > metrics['accuracy/backward_4']


def test_unusable_test_priors():
    for bad in (['forward:0'], ['uniform', 'uniform'], dict(top1='uniform')):
        with pytest.raises(ValueError, match='`test_priors` of ShotAccuracy'):
            ShotAccuracy(test_priors=bad)
    three = ShotAccuracy(class_counts=[9, 3], test_priors=dict(mine=[1, 1, 1]))
    with pytest.raises(ValueError, match="'mine' .* has 3 numbers, but there are 2"):
        three.process(None, [s.to_dict() for s in samples([0], [0], 2)])
    lacking = ShotAccuracy(class_counts=[9, 3], test_priors=['backward:2'])
    lacking.process(None, [s.to_dict() for s in samples([0], [0], 2)])
    with pytest.raises(ValueError, match='class 1 has none .1 of 2 classes.: leave it'):
        lacking.evaluate(1)
