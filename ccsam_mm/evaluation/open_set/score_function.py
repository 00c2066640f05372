# Copyright (c) ccsam_mm contributors. All rights reserved.
"""From the ``score`` of a config to a function of features and logits."""

import inspect
from typing import Callable, Dict, List, Optional, Union

from torch import Tensor

from ccsam_mm.utils.config_types import is_count, is_number

from .class_statistics import ClassStatistics
from .open_max import MIN_IMAGES, OpenMax
from .scores import energy, hybrid, max_logit, msp, proto_cosine, proto_euclidean

ScoreFunction = Callable[[Tensor, Tensor], Tensor]

_SCORES = dict(
    msp=msp,
    max_logit=max_logit,
    energy=energy,
    proto_cosine=proto_cosine,
    proto_euclidean=proto_euclidean,
    hybrid=hybrid,
    openmax=OpenMax,
)
# The least values of the options that are integers.
_LEAST_COUNTS = dict(tail_size=MIN_IMAGES, alpha=1)
# The arguments of the functions that are not options.
_DATA = ('logits', 'features', 'prototypes', 'mean_logits', 'distances', 'labels')


def parse_score(score: Union[str, dict]) -> tuple[str, dict]:
    """Check a score and its options, which are all numbers above zero.

    Those of 'openmax' count images and classes, and are integers.

    Args:
        score (str | dict): 'msp', 'max_logit', 'energy', 'proto_cosine',
            'proto_euclidean', 'hybrid' or 'openmax', or a dict with one of them as
            ``type`` and options.

    Returns:
        tuple[str, dict]: The type and the options.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import parse_score
        >>> parse_score('msp'), parse_score(dict(type='energy', temperature=2))
        (('msp', {}), ('energy', {'temperature': 2}))
    """
    options = dict(type=score) if isinstance(score, str) else dict(score)
    name = options.pop('type', None)
    if name not in _SCORES:
        known = ', '.join(repr(key) for key in _SCORES)
        raise ValueError(
            f'score={score!r} is unknown: set `score` of OpenSetMetric to one of '
            f'{known}, or to a dict with one of them as `type`.'
        )
    possible = [
        p for p in inspect.signature(_SCORES[name]).parameters if p not in _DATA
    ]
    for key, value in options.items():
        least = _LEAST_COUNTS.get(key)
        is_positive = is_number(value) and value > 0
        is_right = is_positive if least is None else is_count(value, least)
        if key not in possible or not is_right:
            allowed = ' and '.join(f'{p}={_describe(p)}' for p in possible)
            raise ValueError(
                f'score={score!r} cannot have {key}={value!r}: leave it out'
                f'{f", or set {allowed}" if allowed else ""}.'
            )
    return name, options


def needs_prototypes(score: Union[str, dict]) -> bool:
    """Whether a score needs the class means of the training features.

    Args:
        score (str | dict): As in :func:`parse_score`.

    Returns:
        bool: Whether it does.
    """
    return 'prototypes' in _parameters(parse_score(score)[0])


def needs_distances(score: Union[str, dict]) -> bool:
    """Whether a score needs the training images' distances to their mean logits.

    Args:
        score (str | dict): As in :func:`parse_score`.

    Returns:
        bool: Whether it does.
    """
    return parse_score(score)[0] == 'openmax'


def score_function(
    score: Union[str, dict], statistics: Optional[ClassStatistics] = None
) -> ScoreFunction:
    """Make the function that scores a batch.

    Args:
        score (str | dict): As in :func:`parse_score`.
        statistics (ClassStatistics, optional): Those of the training images, for
            scores that need them. Defaults to None.

    Returns:
        Callable: ``(features, logits) -> scores``, with shapes ``(B, d)``, ``(B, K)``
        and ``(B, )``; higher means better known.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import score_function
        >>> score = score_function(dict(type='msp', temperature=2))
        >>> score(torch.zeros(1, 5), torch.tensor([[0.0, 0.0]]))
        tensor([0.5000])
    """
    name, options = parse_score(score)
    if name == 'openmax':
        open_max = OpenMax(
            statistics.mean_logits,
            statistics.distances,
            statistics.distance_labels,
            **options,
        )
        return lambda features, logits: open_max(logits)
    wanted = _parameters(name)

    def score_batch(features: Tensor, logits: Tensor) -> Tensor:
        data = dict(features=features, logits=logits)
        if 'prototypes' in wanted:
            data['prototypes'] = statistics.prototypes.to(features)
        return _SCORES[name](**{k: data[k] for k in data if k in wanted}, **options)

    return score_batch


def score_writer(
    functions: Dict[str, ScoreFunction],
) -> Callable[[Tensor, Tensor, List], None]:
    """Make the function that receives predictions from :class:`FeatureRecorder`.

    Args:
        functions (dict[str, Callable]): Those of :func:`score_function` by the keys of
            the scores.

    Returns:
        Callable: ``(features, logits, data_samples) -> None``, which writes the scores
        of each image as the dict ``open_set_scores`` onto its data sample.
    """

    def write(features: Tensor, logits: Tensor, data_samples: List) -> None:
        columns = [score(features, logits).tolist() for score in functions.values()]
        for data_sample, *scores in zip(data_samples, *columns):
            data_sample.open_set_scores = dict(zip(functions, scores))

    return write


def _parameters(name: str) -> List[str]:
    """Names of the data and options of a score."""
    return list(inspect.signature(_SCORES[name]).parameters)


def _describe(option: str) -> str:
    least = _LEAST_COUNTS.get(option)
    return '<number above 0>' if least is None else f'<integer from {least} on>'
