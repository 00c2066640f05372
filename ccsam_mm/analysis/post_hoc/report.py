# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tables and JSON of the classifiers without training."""

from typing import List

from ccsam_mm.utils.tables import align_table

from .choice import Result

COLUMNS = ('top1', 'class_mean', 'many', 'medium', 'few', 'ece')


def post_hoc_table(results: List[Result], split: str, target: str = '') -> str:
    """Lay out the measures on one split as a Markdown table.

    Args:
        results (list[Result]): The results.
        split (str): 'val' or 'test'.
        target (str): The head of a column for the accuracy under the class frequencies
            of the test. Defaults to '', no such column.

    Returns:
        str: A row for each result, in percent; columns without a value are left out.

    Examples:
        >>> from ccsam_mm.analysis.post_hoc import Result, post_hoc_table
        >>> from ccsam_mm.evaluation.post_hoc import Candidate, Method
        >>> candidate = Candidate('0.7', lambda images: images.logits)
        >>> metrics = dict(val=dict(top1=52.4, ece=12.3))
        >>> method = Method('tau_norm', [candidate])
        >>> result = Result(method, candidate, False, {}, metrics)
        >>> print(post_hoc_table([result], 'val'))
        | method   | parameter | top1 |   ece |
        |----------|----------:|-----:|------:|
        | tau_norm |       0.7 | 52.4 | 12.30 |
    """
    measures = [result.metrics[split] for result in results]
    columns = [c for c in COLUMNS if any(c in each for each in measures)]
    heads = {column: column for column in columns}
    if target:
        heads['target'] = target
    rows = [['method', 'parameter', *heads.values()]]
    for result, each in zip(results, measures):
        cells = [
            format(each[c], '.2f' if c == 'ece' else '.1f') if c in each else '-'
            for c in heads
        ]
        rows.append([result.name, result.chosen.name or '-', *cells])
    return align_table(rows)


def report_content(results: List[Result]) -> dict:
    """What a file of the results holds.

    Args:
        results (list[Result]): The results.

    Returns:
        dict: By the name of the method: ``parameter``, the measures on ``val`` and
        ``test``, and ``curve``, the accuracy on the validation images by each value.
    """
    return {
        result.name: dict(
            parameter=result.chosen.name or None,
            **result.metrics,
            **(dict(curve=result.curve) if len(result.curve) > 1 else {}),
        )
        for result in results
    }
