# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads a threshold that was chosen on the validation split."""

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

from mmengine.logging import print_log

from ccsam_mm.datasets.class_names import NamedClasses, first_difference

from .statistics_file import file_hash

TOOL = 'python tools/analysis_tools/choose_threshold.py CONFIG CHECKPOINT'


def read_threshold(
    path: Union[str, Path], score_key: str, classes: Optional[Sequence[str]] = None
) -> float:
    """Read the threshold on a score from the file of the threshold tool.

    Args:
        path (str | Path): A JSON file, ``{'<score_key>': {'threshold': 0.37}}``.
        score_key (str): The key of the score.
        classes (Sequence[str], optional): The names of the known classes, which must be
            those that the threshold was chosen for, if the file has them. Defaults to
            None.

    Returns:
        float: The threshold.

    Examples:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> from ccsam_mm.evaluation.open_set import read_threshold
        >>> path = Path(tempfile.mkdtemp(), 'epoch_200.open_set.json')
        >>> _ = path.write_text(json.dumps({'energy': {'threshold': 3.5}}))
        >>> read_threshold(path, 'energy')
        3.5
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}, the file of thresholds, does not exist: write it with `{TOOL}`, '
            'or set `threshold` of OpenSetMetric to a number.'
        )
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
        found = {key: float(entry['threshold']) for key, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f'{path} is not a file of thresholds ({type(error).__name__}): write it '
            f'anew with `{TOOL}`.'
        ) from error
    if not math.isfinite(found.get(score_key, math.nan)):
        raise ValueError(
            f"{path} has no threshold on the score '{score_key}', but on "
            f'{sorted(found)}: give `val_evaluator` this score, too, and write the '
            f'file anew with `{TOOL}`.'
        )
    _check_classes(path, entries[score_key].get('classes'), classes)
    return found[score_key]


def _check_classes(
    path: Path, chosen_for: Optional[list], classes: Optional[Sequence[str]]
) -> None:
    """Refuse thresholds of other known classes."""
    if chosen_for is None or classes is None:
        return
    difference = first_difference(
        NamedClasses('The evaluated model or data set', [str(c) for c in classes]),
        NamedClasses(f'{path}, the file of thresholds,', chosen_for),
    )
    if difference:
        reason = difference.rpartition(': ')[0]
        raise ValueError(f'{reason}: choose the thresholds anew with `{TOOL}`.')


def warn_of_stale_thresholds(path: Union[str, Path], checkpoint: str) -> None:
    """Warn if the checkpoint was written anew under the same name.

    A file that is absent, or that the threshold tool did not write, gives no warning.

    Args:
        path (str | Path): The file of thresholds.
        checkpoint (str): The checkpoint that is in use.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding='utf-8')).values()
        chosen_for = {entry['sha256'] for entry in entries}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return
    if chosen_for != {file_hash(checkpoint)}:
        print_log(
            f'The thresholds in {path} were chosen for another checkpoint of this '
            f'name: choose them anew with `{TOOL}`.',
            logger='current',
            level=logging.WARNING,
        )
