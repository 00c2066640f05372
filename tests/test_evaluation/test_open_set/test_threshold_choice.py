# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Every threshold tried one by one, counting image by image."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsam_mm.evaluation.open_set import choose_threshold, read_threshold
from ccsam_mm.evaluation.open_set.threshold_choice import CRITERIA, write_thresholds


def measure(images, threshold):
    """F by the corrected rule, and the accepted shares."""
    known = [image for image in images if image[1] >= 0]
    unknown = [image for image in images if image[1] < 0]
    right = sum(pred == label and s >= threshold for pred, label, s in known)
    errors = len(known) - right + sum(s >= threshold for *_, s in unknown)
    shares = [sum(s >= threshold for *_, s in g) / len(g) for g in (known, unknown)]
    return 2 * right / (2 * right + errors), *shares


@pytest.mark.parametrize('criterion', CRITERIA)
@given(
    images=st.lists(
        st.tuples(st.integers(0, 1), st.integers(-1, 1), st.integers(0, 5)), max_size=30
    )
)
def test_is_the_best_of_all(images, criterion):
    images += [(0, 0, 3), (0, -1, 2)]  # at least one of both
    choice = choose_threshold(*zip(*images), criterion)
    results = {s: measure(images, s) for *_, s in images}
    f, known, unknown = results[choice['threshold']]
    assert (choice['known_accepted'], choice['unknown_accepted']) == (known, unknown)
    assert choice['f_measure'] == pytest.approx(f)
    assert choice['f_accept_all'] == pytest.approx(results[min(results)][0])
    assert choice['accepts_all'] == (choice['threshold'] == min(results))
    assert choice['num_known'] == sum(label >= 0 for _, label, _ in images)
    assert choice['num_unknown'] == sum(label < 0 for _, label, _ in images)
    if criterion == 'f_measure':
        assert f == pytest.approx(max(f for f, *_ in results.values()))
    elif criterion == 'youden':
        best = max(known - unknown for _, known, unknown in results.values())
        assert known - unknown == pytest.approx(best)
    else:
        assert choice['threshold'] == max(
            s for s, (_, known, _) in results.items() if known >= 0.95
        )


def test_unknown_criterion():
    with pytest.raises(ValueError, match="criterion='f' .* one of .*'youden'"):
        choose_threshold([0, 0], [0, -1], [1.0, 0.0], 'f')


def test_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'new' / 'epoch_1.open_set.json'
    write_thresholds(str(path), {'msp': dict(threshold=0.5)})
    with pytest.raises(ValueError):
        write_thresholds(str(path), {'msp': dict(threshold=float('nan'))})
    assert json.loads(path.read_text()) == {'msp': {'threshold': 0.5}}
    assert read_threshold(path, 'msp') == 0.5
    assert [p.name for p in path.parent.iterdir()] == [path.name]
