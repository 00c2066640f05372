# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Writes the results of a test completely or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Any, Union

import mmengine
import numpy as np
from mmengine.evaluator import DumpResults
from mmengine.logging import print_log
from torch import Tensor

from .files import whole_file


def check_writable(path: Union[str, Path], option: str) -> None:
    """Refuse an unwritable file for results before the test starts.

    Args:
        path (str | Path): The file; its folder is created if it is missing.
        option (str): The option that names it, for the message.

    Raises:
        OSError: If nothing can be written there.
    """
    path = Path(path)
    reason = 'it is a folder' if path.is_dir() else ''
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(4096))
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise OSError(
            f'{option} {path} cannot be written ({reason}): name a file in a folder '
            'that can.'
        )


def dump_whole(content: Any, path: Union[str, Path]) -> None:
    """Write results so that the file is always the whole old or the whole new one.

    Args:
        content (Any): For files that are not pickles: numbers, strings, tensors and
            arrays in any nesting of dicts, lists and tuples; all else as its text.
        path (str | Path): A JSON, YAML or pickle file, by its suffix.

    Examples:
        >>> import tempfile, torch
        >>> from ccsam_mm.utils.results_file import dump_whole
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dump_whole(dict(matrix=torch.eye(2).int()), f'{folder}/a.json')
        ...     open(f'{folder}/a.json').read()
        '{"matrix": [[1, 0], [0, 1]]}'
    """
    kind = Path(path).suffix[1:]
    if kind not in ('pkl', 'pickle'):
        content = _plain(content)
    text = mmengine.dump(content, file_format=kind)
    data = text if isinstance(text, bytes) else text.encode()
    with whole_file(path) as new, open(new, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _plain(value: Any) -> Any:
    """Replace values that JSON does not know."""
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, range)):
        return [_plain(item) for item in value]
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return _plain(value.tolist())
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def _plain_key(key: Any) -> Union[str, int]:
    key = _plain(key)
    return key if isinstance(key, (str, int)) else str(key)


class DumpWholeResults(DumpResults):
    """MMEngine's metric that writes predictions, with a file that is whole.

    Args:
        out_file_path (str): A pickle file.
        **kwargs: Other arguments of :class:`mmengine.evaluator.DumpResults`.
    """

    def compute_metrics(self, results: list) -> dict:
        """Write the predictions.

        Args:
            results (list): The predictions of all processes.

        Returns:
            dict: Nothing.
        """
        dump_whole(results, self.out_file_path)
        print_log(f'The predictions are in {self.out_file_path}.', logger='current')
        return {}
