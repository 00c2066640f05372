# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracle: loops over images in Python's own numbers."""

import importlib.util
import json
import logging
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset
from mmengine.evaluator import Evaluator
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, METRICS
from mmpretrain.structures import DataSample

from ccsam_mm.evaluation import OpenSetMetric

COUNTS = [500, 60, 60, 4]


@pytest.fixture(autouse=True)
def hub():
    """A message hub of its own, as every Runner has one."""
    name = f'open_set_metric_{id(object())}'
    yield MessageHub.get_instance(name)
    MessageHub._instance_dict.pop(name)


@pytest.fixture
def warnings():
    """What is logged in the test."""
    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def by_loops(pred, target, score, threshold):
    """The definitions, one image after the other."""
    answers = [p if s >= threshold else -1 for p, s in zip(pred, score)]
    hits = {c: [] for c in range(len(COUNTS))}
    for answer, t in zip(answers, target):
        if t >= 0:
            hits[t].append(answer == t)
    accuracy = {c: 100 * sum(h) / len(h) for c, h in hits.items() if h}
    groups = dict(many=[0], medium=[1, 2], few=[3])
    known = [i for i, t in enumerate(target) if t >= 0]
    unknown = [i for i, t in enumerate(target) if t < 0]
    metrics = dict(
        accuracy=100 * mean(answers[i] == target[i] for i in known),
        top1=100 * mean(pred[i] == target[i] for i in known),
        known_accepted=mean(answers[i] >= 0 for i in known),
        unknown_accepted=mean(answers[i] >= 0 for i in unknown),
        threshold=threshold,
    )
    for name, classes in groups.items():
        tested = [accuracy[c] for c in classes if c in accuracy]
        if tested:
            metrics[name] = mean(tested)
    a, a_all, ratio = (
        metrics['accuracy'] / 100,
        metrics['top1'] / 100,
        len(unknown) / len(known),
    )
    metrics['f_floor'] = 2 * a / (1 + a + ratio)
    metrics['f_accept_all'] = 2 * a_all / (1 + a_all + ratio)
    metrics['f_measure'] = 2 * a / (1 + a + ratio * metrics['unknown_accepted'])
    accepted_known = metrics['known_accepted']
    wrong = accepted_known - a
    total = 2 * a + wrong + ratio * metrics['unknown_accepted']
    metrics['f_measure_legacy'] = 2 * a / total if total > 1e-9 else 0
    return metrics


def samples(pred, target, score=None, key='energy', num_classes=4):
    """Data samples with probabilities, and scores as the hook leaves them."""
    result = []
    for i, (p, t) in enumerate(zip(pred, target)):
        probabilities = torch.full((num_classes,), 0.1)
        probabilities[p] = 0.7
        sample = DataSample().set_gt_label(t).set_pred_score(probabilities)
        if score is not None:
            sample.open_set_scores = {key: score[i], 'other': 0.0}
        result.append(sample)
    return result


def evaluate(metric, *columns, **options):
    data = [sample.to_dict() for sample in samples(*columns, **options)]
    metric.process(None, data)
    return metric.evaluate(len(data))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(-1, 3),
            st.sampled_from([-2.0, 0.1, 0.3, 0.5, 3.0]),
        ),
        min_size=2,
        max_size=40,
    ),
    st.sampled_from([-5.0, 0.1, 0.2, 0.5, 3.0, 5.0]),
)
@settings(deadline=None, max_examples=150)
def test_equals_loops(images, threshold):
    pred, target, score = zip(*images)
    assume(min(target) == -1 and max(target) >= 0)
    expected = by_loops(pred, target, score, threshold)
    metrics = OpenSetMetric.calculate(pred, target, score, threshold, COUNTS)
    for key in ('auroc', 'fpr95', 'oscr'):
        assert 0 <= metrics.pop(key) <= 1
    assert metrics == pytest.approx(expected)
    assert all(type(value) is float for value in metrics.values())
    # Exactly, in floats: neither falls below its floor.
    assert metrics['f_measure'] >= metrics['f_floor']
    if metrics['unknown_accepted'] == 1:
        assert metrics['f_measure'] == metrics['f_floor']


def test_measures_without_a_threshold():
    # 40 knowns of the scores 40 to 1, every second one right, among 4 unknowns.
    target, score = [0] * 40 + [-1] * 4, [*range(40, 0, -1), 30.5, 20.5, 2.5, 1.5]
    metrics = OpenSetMetric.calculate([0, 1] * 22, target, score)
    # 38 of 40 knowns are accepted at 3, and with them two of the unknowns.
    assert metrics['fpr95'] == 0.5
    # Knowns, and right ones, above each of the unknowns.
    assert metrics['auroc'] == pytest.approx((10 + 20 + 38 + 39) / 160)
    assert metrics['oscr'] == pytest.approx((5 + 10 + 19 + 20) / 160)


PRED, TARGET = [0, 1, 1, 3, 0, 2], [0, 1, 2, 3, -1, -1]
SCORE = [0.9, 0.5, 0.3, 0.6, 0.5, 0.2]


def test_evaluator_in_batches():
    evaluator = Evaluator(
        [dict(type='mmpretrain.OpenSetMetric', threshold=0.5, score='energy')]
    )
    evaluator.dataset_meta = dict(class_counts=COUNTS)
    data = samples(PRED, TARGET, SCORE)
    evaluator.process(data[:4])
    evaluator.process(data[4:])
    metrics = evaluator.evaluate(6)
    expected = OpenSetMetric.calculate(PRED, TARGET, SCORE, 0.5, COUNTS)
    assert metrics == {f'openset/{key}': value for key, value in expected.items()}
    assert next(iter(metrics)) == 'openset/f_measure'
    # A score at the threshold is accepted, as in OLTR.
    assert metrics['openset/known_accepted'] == 0.75
    assert metrics['openset/unknown_accepted'] == 0.5
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_repeated_images_of_the_last_batch_are_dropped():
    metric = OpenSetMetric(class_counts=COUNTS)
    data = [s.to_dict() for s in samples([0, 1, 0, 2], [0, 1, -1, 0])]
    metric.process(None, data)
    assert metric.evaluate(size=3)['openset/top1'] == 100


def test_largest_probability_needs_no_hook():
    metrics = evaluate(OpenSetMetric(class_counts=COUNTS), PRED, TARGET)
    assert metrics['openset/threshold'] == 0.1 and metrics['openset/auroc'] == 0.5
    for key in ('msp', 'other'):
        metric = OpenSetMetric(threshold=0.5, class_counts=COUNTS)
        metrics = evaluate(metric, PRED, TARGET, SCORE, key=key)
        # The hook's value where there is one, for it may be at another temperature.
        assert metrics['openset/known_accepted'] == (0.75 if key == 'msp' else 1)


def test_score_with_options():
    score = dict(type='energy', temperature=2.0)
    metric = METRICS.build(
        dict(type='OpenSetMetric', score=score, threshold=0.5, class_counts=COUNTS)
    )
    key = 'energy(temperature=2.0)'
    metrics = evaluate(metric, PRED, TARGET, SCORE, key=key)
    expected = OpenSetMetric.calculate(PRED, TARGET, SCORE, 0.5, COUNTS)
    assert metrics == {f'openset/{key}': value for key, value in expected.items()}
    with pytest.raises(ValueError, match=rf"no score '{'energy.temp'}.*'energy', 'oth"):
        evaluate(metric, PRED, TARGET, SCORE)


def test_half_precision():
    metric = OpenSetMetric(class_counts=COUNTS)
    data = [s.to_dict() for s in samples(PRED, TARGET)]
    for sample in data:
        sample['pred_score'] = sample['pred_score'].half()
    metric.process(None, data)
    assert metric.evaluate(6)['openset/top1'] == 75


def test_curve_and_groups_compare_in_one_precision():
    """Single precision's 0.7 is below that of double precision."""
    score = np.array([0.7, 0.2], np.float32)
    metrics = OpenSetMetric.calculate([0, 0], [0, -1], score, 0.7, [500])
    assert metrics['many'] == metrics['accuracy'] == 0


def test_no_work_for_single_images():
    # Places-LT's test and open splits; benchmarks/open_set_speed.py needs 0.05 s.
    num_classes, size = 365, 43100
    scores = torch.rand(size, num_classes, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(size) % (num_classes + 1) - 1
    data = [
        dict(gt_label=label, pred_score=score)
        for label, score in zip(labels.split(1), scores)
    ]
    metric = OpenSetMetric(threshold=0.99, class_counts=[50] * num_classes)
    start = time.process_time()
    for i in range(0, size, 128):
        metric.process(None, data[i : i + 128])
    metrics = metric.evaluate(size)
    assert time.process_time() - start < 3
    right = (scores.argmax(1) == labels)[labels >= 0]
    assert metrics['openset/top1'] == pytest.approx(100 * right.double().mean().item())


def test_threshold_from_files(tmp_path):
    path = tmp_path / 'epoch_1.open_set.json'
    options = dict(score='energy', class_counts=COUNTS)
    metric = OpenSetMetric(threshold='auto', **options)
    with pytest.raises(ValueError, match="'OpenSetHook'.* to `custom_hooks`"):
        evaluate(metric, PRED, TARGET, SCORE)
    metric.threshold_file = str(path)
    with pytest.raises(FileNotFoundError, match='choose_threshold.py CONFIG CHECK'):
        evaluate(metric, PRED, TARGET, SCORE)
    assert not metric.results  # before the first batch counts
    path.write_text(json.dumps(dict(energy=dict(threshold=0.6))))
    assert evaluate(metric, PRED, TARGET, SCORE)['openset/threshold'] == 0.6
    path.write_text(json.dumps(dict(energy=dict(threshold=0.3))))
    for each in (metric, OpenSetMetric(threshold=str(path), **options)):
        metrics = evaluate(each, PRED, TARGET, SCORE)
        assert metrics['openset/threshold'] == 0.3
        assert metrics['openset/unknown_accepted'] == 0.5


def test_threshold_that_separates_nothing_is_noticed(warnings):
    options = dict(score='energy', class_counts=COUNTS)
    evaluate(OpenSetMetric(threshold=0.5, **options), PRED, TARGET, SCORE)
    assert not warnings
    metrics = evaluate(OpenSetMetric(threshold=0.2, **options), PRED, TARGET, SCORE)
    assert metrics['openset/f_measure'] == metrics['openset/f_floor']
    assert metrics['openset/f_floor'] == metrics['openset/f_accept_all']
    metrics = evaluate(OpenSetMetric(threshold=1.0, **options), PRED, TARGET, SCORE)
    assert metrics['openset/f_measure'] == metrics['openset/f_measure_legacy'] == 0
    assert len(warnings) == 2
    assert '0.2 on energy accepts every image' in warnings[0]
    assert '1 on energy rejects every image' in warnings[1]
    assert 'between 0.2 and 0.9' in warnings[0]


def test_groups_need_class_counts(warnings, hub):
    metrics = evaluate(OpenSetMetric(threshold=0.5), PRED, TARGET, SCORE, key='msp')
    assert not {'openset/many', 'openset/medium', 'openset/few'} & metrics.keys()
    assert len(warnings) == 1 and 'set its `class_counts`' in warnings[0]
    hub.update_info('dataset_meta', dict(class_counts=[9, 9, 9, 9]))
    metrics = evaluate(OpenSetMetric(threshold=0.5), PRED, TARGET, SCORE, key='msp')
    assert metrics['openset/few'] == 75 and 'openset/many' not in metrics
    inclusive = OpenSetMetric(0.5, class_counts=[100] * 4, shot_rule='inclusive')
    assert 'openset/many' in evaluate(inclusive, PRED, TARGET)


def test_unusable_options():
    with pytest.raises(ValueError, match="'loose' is unknown: .* of OpenSetMetric"):
        OpenSetMetric(shot_rule='loose')
    for bad in (math.nan, math.inf, [0.1]):
        with pytest.raises(ValueError, match='is not a finite number: set `threshold`'):
            OpenSetMetric(threshold=bad)
    with pytest.raises(ValueError, match='names no score'):
        OpenSetMetric(score=dict(temperature=2.0))


def test_unusable_images():
    with pytest.raises(ValueError, match=r'no image of an unknown class \(label -1\)'):
        evaluate(OpenSetMetric(), [0, 1], [0, 1])
    with pytest.raises(ValueError, match='Every image .* is of an unknown class'):
        evaluate(OpenSetMetric(), [0, 1], [-1, -1])
    for label in (-2, 4):
        with pytest.raises(ValueError, match=rf'label {label}, .* scores 4 classes'):
            evaluate(OpenSetMetric(), [0, 1], [0, label])
    with pytest.raises(ValueError, match='one label per image, but `gt_label` has 2'):
        evaluate(OpenSetMetric(), [0, 1], [0, [0, 1]])
    with pytest.raises(ValueError, match='scores 4 classes, but class_counts has 2'):
        evaluate(OpenSetMetric(class_counts=[9, 9]), [0], [0])
    with pytest.raises(ValueError, match='1 of 2 open-set scores are NaN'):
        evaluate(OpenSetMetric(score='energy'), [0, 1], [0, -1], [math.nan, 0.3])
    diverged = [s.to_dict() for s in samples([0, 1], [0, -1])]
    diverged[0]['pred_score'] *= math.nan
    metric = OpenSetMetric()
    metric.process(None, diverged)
    with pytest.raises(ValueError, match='1 of 2 open-set scores are NaN'):
        metric.evaluate(2)


def test_no_threshold_leaves_out_what_depends_on_it(tmp_path, warnings):
    options = dict(class_counts=COUNTS, curve=str(tmp_path))
    metrics = evaluate(OpenSetMetric(None, **options), PRED, TARGET, SCORE, key='msp')
    with_one = evaluate(OpenSetMetric(0.5, **options), PRED, TARGET, SCORE, key='msp')
    free = {f'openset/{k}' for k in ('f_accept_all', 'auroc', 'fpr95', 'oscr', 'top1')}
    assert metrics == {key: with_one[key] for key in free}
    assert not warnings


def test_curve_goes_to_the_named_folder(tmp_path):
    score = dict(type='energy', temperature=2.0)
    options = dict(threshold=0.5, class_counts=COUNTS, curve=str(tmp_path / 'new'))
    metric = OpenSetMetric(score=score, prefix='openset/energy', **options)
    key = 'energy(temperature=2.0)'
    metrics = evaluate(metric, PRED, TARGET, SCORE, key=key)
    name = 'openset_energy_energy_temperature_2.0'
    report = json.loads((tmp_path / 'new' / f'{name}.json').read_text())
    assert report['score'] == key
    assert {f'openset/energy/{k}': v for k, v in report['metrics'].items()} == metrics
    assert (tmp_path / 'new' / f'{name}.png').stat().st_size > 10000


class Oracle(BaseModel):
    """Knows the known images, and is less sure of the unknown ones."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for sample in data_samples:
            label = int(sample.gt_label)
            probabilities = torch.full((4,), 0.1 if label >= 0 else 0.2)
            probabilities[label] = 1 - probabilities[:3].sum()
            sample.set_pred_score(probabilities)
        return data_samples


@DATASETS.register_module()
class SomeOpenSet(BaseDataset):
    """Blank images of 4 known classes, and of unknown ones."""

    def load_data_list(self):
        return [dict(img=torch.zeros(2, 2, 3).numpy(), gt_label=t) for t in TARGET * 5]


@pytest.mark.parametrize('stage', ['val', 'test'])
def test_in_a_runner_with_its_loggers(tmp_path, stage):
    loader = dict(
        batch_size=8,
        num_workers=0,
        dataset=dict(
            type='SomeOpenSet',
            metainfo=dict(class_counts=COUNTS),
            pipeline=[dict(type='PackInputs')],
        ),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    runner = Runner(
        model=Oracle(),
        work_dir=str(tmp_path),
        default_scope='mmpretrain',
        experiment_name=f'open_set_metric_{stage}',
        **{
            f'{stage}_dataloader': loader,
            f'{stage}_evaluator': dict(type='OpenSetMetric', threshold=0.5, curve=True),
            f'{stage}_cfg': dict(),
        },
    )
    metrics = getattr(runner, stage)()
    assert metrics['openset/f_measure'] == metrics['openset/auroc'] == 1
    assert metrics['openset/many'] == 100
    report = json.loads((Path(runner.log_dir) / 'openset_msp.json').read_text())
    assert report['metrics']['f_measure'] == 1
    assert (Path(runner.log_dir) / 'openset_msp.png').is_file()


def test_curve_without_a_log():
    MMLogger.get_instance('open_set_metric_without_a_log')
    with pytest.raises(ValueError, match='set `curve` to the name of a folder'):
        evaluate(OpenSetMetric(curve=True), PRED, TARGET)


@pytest.mark.slow
def test_ranks_equal_one_process(tmp_path):
    script = Path(__file__).with_name('open_set_ranks.py')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += ['--nproc_per_node=2', str(script), str(tmp_path)]
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3]))
    result = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    spec = importlib.util.spec_from_file_location('open_set_ranks', script)
    ranks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ranks)
    expected = ranks.evaluate(range(ranks.SIZE), batch_size=ranks.SIZE)
    assert 0 < expected['openset/f_measure'] < 1
    for rank in range(2):
        written = json.loads((tmp_path / f'rank{rank}.json').read_text())
        assert written == expected
    # The main process alone writes.
    assert len(list((tmp_path / 'rank0').iterdir())) == 2
    assert not (tmp_path / 'rank1').exists()
