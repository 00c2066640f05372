# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np
import torch

from ccsam_mm.analysis.post_hoc import (
    RecordedSets,
    evaluate_methods,
    plot_results,
    post_hoc_table,
    report_content,
)
from ccsam_mm.evaluation.post_hoc import Outputs, post_hoc_methods
from ccsam_mm.evaluation.post_hoc.candidates import Layer

COUNTS = [500, 50, 5]


def images(seed, size):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % 3
    features = torch.eye(3)[labels] + 0.7 * torch.randn(size, 3, generator=generator)
    bias = torch.tensor([1.0, 0.0, -1.0])
    return Outputs(features, features + bias, labels), Layer(torch.eye(3), bias)


def results(prior=(1 / 3, 1 / 3, 1 / 3), by_hand=None, with_test=True):
    (train, layer), (val, _), (test, _) = (images(i, 120) for i in range(3))
    sets = RecordedSets(train, val, test if with_test else None, COUNTS, False)
    prior = np.array(prior)
    train_prior = torch.tensor(COUNTS).double() / sum(COUNTS)
    methods = post_hoc_methods(train, val, train_prior, torch.from_numpy(prior), layer)
    return evaluate_methods(methods, sets, prior, by_hand), sets


def test_parameters_are_chosen_on_validation_alone():
    found, sets = results()
    # Whatever the test labels are, the choices are the same.
    wrong = sets.test._replace(labels=(sets.test.labels + 1) % 3)
    methods = [result.method for result in found]
    again = evaluate_methods(
        methods, sets._replace(test=wrong), np.full(3, 1 / 3), None
    )
    for one, two in zip(found, again):
        assert one.chosen is two.chosen
        assert one.metrics['val'] == two.metrics['val']
        assert one.metrics['test'] != two.metrics['test']


def test_choices_are_the_best_on_validation():
    found, sets = results()
    assert [result.name for result in found][:2] == ['as_trained', 'tau_norm']
    for result in found:
        best = max(result.curve.values())
        assert result.curve[result.chosen.name] == best
        pred = result.chosen.scores(sets.val).argmax(dim=1)
        right = (pred == sets.val.labels).double()
        means = [float(right[sets.val.labels == c].mean()) for c in range(3)]
        assert abs(best - 100 * sum(means) / 3) < 1e-9
    assert found[3].curve[found[3].chosen.name] > found[0].curve['']


def test_test_prior_moves_the_choice():
    def shift(prior):
        adjusted = next(
            result
            for result in results(prior)[0]
            if result.method.name == 'logit_adjustment'
        )
        return adjusted.chosen.value

    assert shift((0.98, 0.01, 0.01)) < shift((0.01, 0.01, 0.98))


def test_a_value_by_hand_is_measured_and_changes_no_choice():
    plain, _ = results()
    found, _ = results(by_hand='tau_norm:1.3')
    assert found[2].name == 'tau_norm:1.3' and found[2].chosen.value == 1.3
    del found[2]
    assert [r.chosen.name for r in found] == [r.chosen.name for r in plain]


def test_reports(tmp_path):
    found, _ = results(with_test=False)
    table = post_hoc_table(found, 'val', 'forward:2').splitlines()
    assert table[0].endswith('| forward:2 |') and len(table) == 2 + 6
    nearest = next(line for line in table if 'nearest_mean' in line)
    assert '| - |' in nearest.replace('     ', ' ').replace('  ', ' ')  # no ECE
    content = report_content(found)
    assert len(content['tau_norm']['curve']) == 21
    assert 'curve' not in content['temperature'] and 'test' not in content['tau_norm']
    plot_results(found, tmp_path / 'a.png', 'class mean', 'Chosen on the test images')
    assert (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG')
