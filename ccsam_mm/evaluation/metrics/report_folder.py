# Copyright (c) ccsam_mm contributors. All rights reserved.
import os.path as osp
from typing import Optional, Union

from mmengine.logging import MMLogger


def report_folder(option: Union[bool, str], user: str, name: str) -> Optional[str]:
    """Find the folder for the files of a metric.

    Args:
        option (bool | str): True for the folder of the log, or the name of a folder.
        user (str): Name of the metric, for the message.
        name (str): Name of its option, for the message.

    Returns:
        str, optional: The folder; None if there is to be no file.

    Raises:
        ValueError: If there is no log to write beside.

    Examples:
        >>> from ccsam_mm.evaluation.metrics.report_folder import report_folder
        >>> report_folder('results', 'OpenSetMetric', 'curve')
        'results'
    """
    if not option or isinstance(option, str):
        return option or None
    log_file = MMLogger.get_current_instance().log_file
    if log_file is None:
        raise ValueError(
            f'{user} has {name}=True, but there is no log to write beside: set '
            f'`{name}` to the name of a folder.'
        )
    return osp.dirname(log_file)
