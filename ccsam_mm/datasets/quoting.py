# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Quotes values of any length in messages."""

LIMIT = 80


def quote(value: object, limit: int = LIMIT) -> str:
    """Write a value as Python does, cut in the middle if it is long.

    Args:
        value (object): The value.
        limit (int): The number of characters to keep. Defaults to 80.

    Returns:
        str: Its representation on one line.

    Examples:
        >>> from ccsam_mm.datasets.quoting import quote
        >>> quote('a.jpg'), quote('x' * 1000, 9)
        ("'a.jpg'", "'xxxx...xxx'")
    """
    if isinstance(value, (str, bytes)) and len(value) > 2 * limit:
        # The representation of a huge text would be huge, too.
        value = value[:limit] + value[-limit:]
        text = f'{value!r}'
    else:
        try:
            text = f'{value!r}'
        except (RecursionError, ValueError):  # deep lists, integers of many digits
            return f'a {type(value).__name__}'
        if len(text) <= limit + 2:
            return text
    half = limit // 2
    return f'{text[: half + 1]}...{text[-half:]}'
