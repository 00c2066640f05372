# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Accuracy over the parameters of classifiers without training."""

from pathlib import Path
from typing import List, Union

from ccsam_mm.utils.files import whole_file

from .choice import Result


def plot_results(
    results: List[Result], path: Union[str, Path], target: str, caption: str
) -> None:
    """Draw the accuracy on the validation images as dots, and mark the choices.

    Args:
        results (list[Result]): The results; the first is the classifier as trained.
        path (str | Path): The picture to write.
        target (str): Name of the accuracy.
        caption (str): What the validation images are.
    """
    # The object-oriented interface needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trained = results[0].metrics['val']['target']
    drawn = [result for result in results if len(result.curve) > 1]
    figure = Figure(figsize=(4.5 * len(drawn), 4.5), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(drawn), squeeze=False, sharey=True)[0]
    for axes, result in zip(panels, drawn):
        _plot_method(axes, result, trained)
    panels[0].set_ylabel(f'{target}, in percent')
    panels[0].legend()
    figure.suptitle(caption)
    with whole_file(path) as new:
        figure.savefig(new, dpi=120, format='png')


def _plot_method(axes, result: Result, trained: float) -> None:
    candidates = result.method.candidates
    if candidates[0].value is None:
        places = dict(zip(result.curve, range(len(result.curve))))
        axes.set_xticks(list(places.values()), list(places), rotation=30)
    else:
        places = {candidate.name: candidate.value for candidate in candidates}
        axes.set_xlabel('tau')
    axes.axhline(trained, color='0.5', linestyle='--', label='as trained')
    axes.plot(list(places.values()), list(result.curve.values()), '.', label='value')
    name = result.chosen.name
    axes.plot(
        places[name],
        result.curve[name],
        'ko',
        fillstyle='none',
        markersize=11,
        label='chosen',
    )
    axes.set_title(f'{result.method.name}: {name}')
