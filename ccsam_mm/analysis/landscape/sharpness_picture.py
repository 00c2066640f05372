# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Lays out and draws measures of sharpness."""

from typing import Dict, List

from .pictures import COLORS, MARKERS, TITLES, new_figure, save_figure


def sharpness_rows(record: dict) -> List[List[str]]:
    """Rows of a table with a line for each group of each checkpoint.

    Args:
        record (dict): ``checkpoints``, a list of dicts with ``name`` and ``measures``,
            see :func:`measure_sharpness`.

    Returns:
        list[list[str]]: The cells, the heads of the columns first.
    """
    columns = ['loss', 'eigenvalues', 'trace (95 %)', 'SAM', 'CC-SAM', '|e|/|w|']
    rows = [['checkpoint', 'group', *columns]]
    for checkpoint in record['checkpoints']:
        for group, own in checkpoint['measures'].items():
            half = own['trace_high'] - own['trace']
            cells = [
                f'{own["loss"]:.4f}',
                ' '.join(f'{value:.3g}' for value in own['eigenvalues']),
                f'{own["trace"]:.3g} ± {half:.2g}',
                f'{own["sam"]:.4f}',
                f'{own["ccsam"]:.4f}',
                f'{own["ccsam_norm"]:.4f}',
            ]
            rows.append([checkpoint['name'], group, *cells])
    return rows


def plot_sharpness(record: dict, path: str) -> None:
    """Draw a panel for each measure, with a row of dots for each group.

    Args:
        record (dict): As for :func:`sharpness_rows`, with ``options``.
        path (str): The picture to write.
    """
    checkpoints = record['checkpoints']
    groups = list(checkpoints[0]['measures'])
    panels: Dict[str, str] = dict(
        top='largest eigenvalue',
        trace='trace of the Hessian (95 % interval)',
        sam=f'SAM: increase at rho={record["options"]["rho"]:g}',
        ccsam="CC-SAM: increase at each class's radius",
    )
    figure = new_figure(10, 1.6 + 1.1 * len(groups))
    axes = figure.subplots(2, 2, sharey=True)
    for ax, (key, title) in zip(axes.flat, panels.items()):
        values = []
        for place, checkpoint in enumerate(checkpoints):
            shift = 0.12 * (place - (len(checkpoints) - 1) / 2)
            style = dict(color=COLORS[place % len(COLORS)], linestyle='none')
            style['marker'] = MARKERS[place % len(MARKERS)]
            for row, group in enumerate(groups):
                own = checkpoint['measures'][group]
                value = own['eigenvalues'][0] if key == 'top' else own[key]
                values.append(value)
                error = own['trace_high'] - value if key == 'trace' else None
                label = checkpoint['name'] if row == 0 else None
                ax.errorbar(
                    value, row + shift, xerr=error, capsize=2, label=label, **style
                )
        ax.set_title(title, fontsize=10, loc='left')
        ax.grid(axis='x', color='0.92')
        ax.axvline(0, color='0.7', linewidth=0.8, zorder=0)
        positive = [value for value in values if value > 0]
        if len(positive) == len(values) and max(positive) > 30 * min(positive):
            ax.set_xscale('log')
    axes[0, 0].set_yticks(range(len(groups)), [TITLES[group] for group in groups])
    axes[0, 0].set_ylim(len(groups) - 0.5, -0.5)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=4, fontsize=9)
    save_figure(figure, path)
