# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The name under which an open-set score is stored."""

from typing import Union


def open_set_score_key(score: Union[str, dict]) -> str:
    """Name a score by its type and its options.

    Args:
        score (str | dict): The type, or ``dict(type=..., <options>)``.

    Returns:
        str: The key in the data samples and in the file of thresholds.

    Examples:
        >>> from ccsam_mm.evaluation.open_set import open_set_score_key
        >>> open_set_score_key('energy'), open_set_score_key(dict(type='energy'))
        ('energy', 'energy')
        >>> open_set_score_key(dict(type='energy', temperature=2.0))
        'energy(temperature=2.0)'
    """
    options = dict(score) if isinstance(score, dict) else dict(type=score)
    kind = options.pop('type', None)
    if not isinstance(kind, str) or not kind:
        raise ValueError(
            f'score={score!r} of OpenSetMetric names no score: set it to one, such as '
            "'msp', or to dict(type='energy', temperature=2.0)."
        )
    listed = ', '.join(f'{name}={options[name]!r}' for name in sorted(options))
    return f'{kind}({listed})' if listed else kind
