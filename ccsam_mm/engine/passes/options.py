# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Checks the options of an optimizer wrapper."""

from typing import Dict, Tuple


def check_options(wrapper, rules: Dict[str, Tuple[bool, str]]) -> None:
    """Refuse values outside an option's range, naming the option.

    Args:
        wrapper (OptimWrapper): Optimizer wrapper with the options as attributes.
        rules (Dict[str, Tuple[bool, str]]): For each option, whether its value is
            valid, and what it must be.
    """
    for name, (valid, wanted) in rules.items():
        if not valid:
            value = getattr(wrapper, name)
            raise ValueError(
                f'optim_wrapper.{name} is {value!r}, but must be {wanted}.'
            )
