# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Chooses the parameter of each method on validation images."""

from typing import Dict, List, NamedTuple, Optional

import numpy as np

from ccsam_mm.evaluation.post_hoc import Candidate, Method, choose, measure

from .data_sets import RecordedSets


class Result(NamedTuple):
    """A method with the chosen value of its parameter, and how good it is.

    Args:
        method (Method): The method.
        chosen (Candidate): The method with the value.
        by_hand (bool): Whether the user has chosen it.
        curve (dict[str, float]): The accuracy on the validation images by each value.
        metrics (dict[str, dict]): The measures of the choice on ``val`` and ``test``.

    Examples:
        >>> from ccsam_mm.analysis.post_hoc import Result
        >>> from ccsam_mm.evaluation.post_hoc import Candidate, Method
        >>> candidate = Candidate('0.7', lambda images: images.logits)
        >>> Result(Method('tau_norm', [candidate]), candidate, True, {}, {}).name
        'tau_norm:0.7'
    """

    method: Method
    chosen: Candidate
    by_hand: bool
    curve: Dict[str, float]
    metrics: Dict[str, dict]

    @property
    def name(self) -> str:
        """str: The name of the method, and the value where the user has chosen it."""
        name = self.method.name
        return f'{name}:{self.chosen.name}' if self.by_hand else name


def evaluate_methods(
    methods: List[Method],
    sets: RecordedSets,
    prior: np.ndarray,
    by_hand: Optional[str] = None,
) -> List[Result]:
    """Choose and measure.

    The criterion is the accuracy under the class frequencies of the test on the
    validation images; of equally good values, the one that changes least is chosen. The
    test images are looked at with the chosen value alone.

    Args:
        methods (list[Method]): The methods.
        sets (RecordedSets): The images.
        prior (np.ndarray): Class frequencies of the test, ``(K, )``.
        by_hand (str, optional): A method and a value, as ``tau_norm:0.7``, to measure
            as well. Defaults to None.

    Returns:
        list[Result]: One for each method, and that of ``by_hand``.
    """

    def look(method: Method, candidate: Candidate, images) -> dict:
        scores = candidate.scores(images)
        counts, with_ece = sets.class_counts, method.has_probabilities
        return measure(scores, images.labels, counts, prior, with_ece)

    def result(method, candidate, curve, val, by_hand=False):
        metrics = dict(val=val)
        if sets.test is not None:
            metrics['test'] = look(method, candidate, sets.test)
        return Result(method, candidate, by_hand, curve, metrics)

    results = []
    for method in methods:
        found = [look(method, each, sets.val) for each in method.candidates]
        accuracies = [metrics['target'] for metrics in found]
        best = choose(accuracies)
        curve = {c.name: a for c, a in zip(method.candidates, accuracies)}
        results.append(result(method, method.candidates[best], curve, found[best]))
        for candidate, metrics in zip(method.candidates, found):
            if by_hand == f'{method.name}:{candidate.name}':
                results.append(result(method, candidate, {}, metrics, by_hand=True))
    return results
