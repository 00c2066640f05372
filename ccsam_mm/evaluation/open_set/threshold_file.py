# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Reads a threshold that was chosen on the validation split."""

import json
import logging
import math
from pathlib import Path
from typing import Union

from mmengine.logging import print_log

from .statistics_file import file_hash

TOOL = 'python tools/analysis_tools/choose_threshold.py CONFIG CHECKPOINT'


def read_threshold(path: Union[str, Path], score_key: str) -> float:
    """Read the threshold on a score from the file of the threshold tool.

    Args:
        path (str | Path): A JSON file, ``{'<score_key>': {'threshold': 0.37}}``.
        score_key (str): The key of the score.

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
            f'{path} is no file of thresholds ({type(error).__name__}): write it anew '
            f'with `{TOOL}`.'
        ) from error
    if not math.isfinite(found.get(score_key, math.nan)):
        raise ValueError(
            f"{path} has no threshold on the score '{score_key}', but on "
            f'{sorted(found)}: give `val_evaluator` this score, too, and write the '
            f'file anew with `{TOOL}`.'
        )
    return found[score_key]


def warn_of_stale_thresholds(path: Union[str, Path], checkpoint: str) -> None:
    """Notice a checkpoint that was written anew under the same name.

    A file that is absent, or that the threshold tool did not write, says nothing.

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
