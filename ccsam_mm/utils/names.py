# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Suggests the correct name for a misspelt one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name.

    Args:
        name (str): The unknown name.
        known (Iterable[str]): The names that exist.

    Returns:
        str: The end of a sentence; empty where no name is near.

    Examples:
        >>> from ccsam_mm.utils.names import did_you_mean
        >>> did_you_mean('rho_scal', ['rho', 'rho_scale', 'radius'])
        ": did you mean 'rho_scale'?"
        >>> did_you_mean('colour', ['rho', 'rho_scale', 'radius'])
        ''
    """
    nearest = nearest_name(name, known)
    return f": did you mean '{nearest}'?" if nearest else ''


def nearest_name(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Find the nearest known name, whatever its case.

    Args:
        name (str): The unknown name.
        known (Iterable[str]): The names that exist.
        cutoff (float): The least likeness, from 0 to 1. Defaults to 0.6.

    Returns:
        str: The nearest one; empty where no name is near.
    """
    by_case = {known_name.lower(): known_name for known_name in known}
    found = difflib.get_close_matches(name.lower(), by_case, n=1, cutoff=cutoff)
    return by_case[found[0]] if found else ''
