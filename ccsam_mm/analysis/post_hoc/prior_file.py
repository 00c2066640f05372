# Copyright (c) ccsam_mm contributors. All rights reserved.
import json
import os.path as osp

from ccsam_mm.evaluation.class_priors import PriorSpec, check_prior


def read_prior(text: str) -> PriorSpec:
    """Read the class frequencies of a test from the command line.

    Args:
        text (str): A short form as for
            :func:`~ccsam_mm.evaluation.class_priors.class_prior`, or the name of a file
            with a number for each class, as a JSON list or separated by spaces.

    Returns:
        str | list[float]: The short form, or the numbers.

    Raises:
        ValueError: If it is neither.

    Examples:
        >>> from ccsam_mm.analysis.post_hoc import read_prior
        >>> read_prior('forward:50')
        'forward:50'
    """
    key = f'--test-prior {text}'
    if not osp.isfile(text):
        check_prior(text, '--test-prior, which is no file,')
        return text
    with open(text, encoding='utf-8') as file:
        content = file.read()
    try:
        numbers = json.loads(content) if '[' in content else content.split()
        numbers = [float(number) for number in numbers]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f'{key} is not a list of numbers ({error}): write one number for each '
            'class.'
        ) from error
    check_prior(numbers, key)
    return numbers
