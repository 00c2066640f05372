# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np

from ccsam_mm.evaluation import OpenSetMetric
from ccsam_mm.evaluation.open_set.table import open_set_table


def test_measures_stand_in_their_columns():
    rng = np.random.RandomState(0)
    pred, target = rng.randint(0, 3, 60), rng.randint(-1, 3, 60)
    results = {
        'msp': OpenSetMetric.calculate(pred, target, rng.rand(60), 0.5, [200, 50, 5]),
        'energy': OpenSetMetric.calculate(pred, target, 9 * rng.randn(60), None),
    }
    head, rule, *lines = open_set_table(results).splitlines()
    assert {len(line) for line in (head, rule, *lines)} == {len(head)}
    columns = [cell.strip() for cell in head.strip('|').split('|')]
    for line, (name, metrics) in zip(lines, results.items()):
        cells = dict(zip(columns, (c.strip() for c in line.strip('|').split('|'))))
        assert cells.pop('score') == name
        for column, cell in cells.items():
            if column in metrics:
                np.testing.assert_allclose(float(cell), metrics[column], atol=0.0501)
            else:
                assert cell == '-' and name == 'energy'
    # Areas have three decimals, accuracies one.
    assert f'{results["msp"]["auroc"]:.3f}' in lines[0]
    assert f' {results["msp"]["few"]:.1f} ' in lines[0]
