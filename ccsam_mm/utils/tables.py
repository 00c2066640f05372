# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Tables in Markdown."""

from typing import Sequence


def align_table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of text as a Markdown table whose columns are aligned.

    Args:
        rows (Sequence[Sequence[str]]): The cells, the heads of the columns first.

    Returns:
        str: The first column to the left, all others to the right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append('| ' + ' | '.join(cells) + ' |')
    rules = ['-' * (widths[0] + 2)] + ['-' * (width + 1) + ':' for width in widths[1:]]
    lines.insert(1, '|' + '|'.join(rules) + '|')
    return '\n'.join(lines)
