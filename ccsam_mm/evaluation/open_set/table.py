# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Dict

from ccsam_mm.utils.tables import align_table

# The others of OpenSetMetric are in the log line and in tools/test.py --out.
FRACTIONS = ('f_measure', 'f_floor', 'f_accept_all', 'auroc', 'fpr95', 'oscr')
PERCENTAGES = ('accuracy', 'top1', 'many', 'medium', 'few')


def open_set_table(results: Dict[str, dict]) -> str:
    """Lay out open-set measures as a Markdown table.

    Args:
        results (dict[str, dict]): The metrics of
            :class:`ccsam_mm.evaluation.OpenSetMetric` without their prefix, by the
            name of the score.

    Returns:
        str: One row per score; columns that no score has are left out.

    Examples:
        >>> from ccsam_mm.evaluation.open_set.table import open_set_table
        >>> msp = dict(threshold=0.1, f_measure=0.556, auroc=0.8, top1=52.4)
        >>> print(open_set_table(dict(msp=msp, energy=dict(auroc=0.75, top1=52.4))))
        | score  | threshold | f_measure | auroc | top1 |
        |--------|----------:|----------:|------:|-----:|
        | msp    |       0.1 |     0.556 | 0.800 | 52.4 |
        | energy |         - |         - | 0.750 | 52.4 |
    """
    formats = {
        'threshold': '.4g',
        **dict.fromkeys(FRACTIONS, '.3f'),
        **dict.fromkeys(PERCENTAGES, '.1f'),
    }
    columns = [c for c in formats if any(c in metrics for metrics in results.values())]
    rows = [['score', *columns]]
    for name, metrics in results.items():
        cells = [
            format(metrics[c], formats[c]) if c in metrics else '-' for c in columns
        ]
        rows.append([name, *cells])
    return align_table(rows)
