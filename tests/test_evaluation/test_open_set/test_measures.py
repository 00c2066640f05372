# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Oracles: loops that count single images, pairs of images, and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from ccsam_mm.evaluation.open_set import (
    auroc,
    fpr_at_tpr,
    open_set_curve,
    open_set_f_measures,
    oscr,
)

# Few values, so that there are ties; or any, also those that differ in the last bit.
SCORES = st.one_of(
    st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]),
    st.floats(-1e6, 1e6, allow_subnormal=False),
)
IMAGES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-1, 2), SCORES), min_size=2, max_size=40
)
properties = settings(deadline=None, max_examples=200)


def columns(images):
    """Predictions, labels and scores of images of both kinds."""
    pred, target, score = zip(*images)
    assume(min(target) == -1 and max(target) >= 0)
    return pred, target, score


def counts_by_loop(pred, target, score, threshold):
    """TP, FP, FP of the older rule and FN, as the definitions say it in words."""
    true_pos = false_pos = false_pos_legacy = false_neg = 0
    for p, t, s in zip(pred, target, score):
        answer = p if s >= threshold else -1
        if t == -1:
            false_neg += answer != -1
        elif answer == t:
            true_pos += 1
        else:
            false_pos += 1
            false_pos_legacy += answer != -1
    return true_pos, false_pos, false_pos_legacy, false_neg


def harmonic_mean(true_pos, false_pos, false_neg):
    if true_pos == 0:
        return 0.0
    precision = true_pos / (true_pos + false_pos)
    recall = true_pos / (true_pos + false_neg)
    return 2 * precision * recall / (precision + recall)


@given(IMAGES)
@properties
def test_every_threshold_equals_a_loop(images):
    pred, target, score = columns(images)
    curve = open_set_curve(pred, target, score)
    thresholds = [math.inf, *sorted(set(score), reverse=True)]
    assert curve['threshold'].tolist() == thresholds
    known = sum(t >= 0 for t in target)
    for i, threshold in enumerate(thresholds):
        tp, fp, fp_legacy, fn = counts_by_loop(pred, target, score, threshold)
        expected = dict(
            f_measure=harmonic_mean(tp, fp, fn),
            f_measure_legacy=harmonic_mean(tp, fp_legacy, fn),
            f_floor=2 * tp / known / (1 + tp / known + (len(target) - known) / known),
            tpr=(tp + fp_legacy) / known,
            fpr=fn / (len(target) - known),
            ccr=tp / known,
        )
        found = {key: curve[key][i] for key in expected}
        assert found == pytest.approx(expected, rel=1e-12)


@given(IMAGES)
@properties
def test_f_lies_between_its_floor_and_its_ceiling(images):
    pred, target, score = columns(images)
    curve = open_set_curve(pred, target, score)
    f, floor, accuracy = curve['f_measure'], curve['f_floor'], curve['ccr']
    assert (f >= floor).all()
    # The floor is reached if no unknown is rejected, and else only at F = 0.
    assert ((f == floor) == ((curve['fpr'] == 1) | (accuracy == 0))).all()
    ceiling = 2 * accuracy / (1 + accuracy)
    assert (f <= ceiling + 1e-12).all()
    reached = np.isclose(f, ceiling, rtol=1e-9)
    assert (reached == ((curve['fpr'] == 0) | (accuracy == 0))).all()


@given(IMAGES)
@properties
def test_when_rejection_is_at_least_as_good_as_none(images):
    pred, target, score = columns(images)
    curve = open_set_curve(pred, target, score)
    known, size = sum(t >= 0 for t in target), len(target)
    all_right = counts_by_loop(pred, target, score, -math.inf)[0]
    assume(all_right > 0)
    for f, threshold in zip(curve['f_measure'], curve['threshold']):
        right, _, _, unknown = counts_by_loop(pred, target, score, threshold)
        # In integers: A / A_all against (N + u) / (N + U).
        gain = right * size - all_right * (known + unknown)
        difference = f - curve['f_measure'][-1]
        assert np.sign(gain) == (0 if abs(difference) < 1e-9 else np.sign(difference))


def test_f_of_the_published_accuracies_is_the_floor():
    # Table 4: ImageNet-LT 61.4/49.5/37.1, Places-LT 41.2/41.8/36.4, F 0.552 and 0.510.
    for groups, sizes, known, unknown, published in (
        ((61.4, 49.5, 37.1), (385, 479, 136), 50000, 18000, 0.552),
        ((41.2, 41.8, 36.4), (131, 163, 71), 36500, 6600, 0.510),
    ):
        right = round(known / 100 * np.average(groups, weights=sizes))
        f = open_set_f_measures(right, known - right, unknown, known, unknown)
        assert f['f_measure'] == f['f_floor']
        assert f['f_measure'] == pytest.approx(published, abs=0.005)
        a = np.average(groups, weights=sizes) / 100
        formula = 2 * a / (1 + a + unknown / known)
        assert f['f_floor'] == pytest.approx(formula, abs=1e-4)


def test_legacy_rule_rewards_rejecting_almost_everything():
    # A calibrated classifier (at confidence c, a share c is right) that is less sure
    # of unknowns, as everyone has.
    pred, target, score = [], [], []
    for step in range(1, 21):
        confidence = step / 20
        pred += [0] * 40
        target += [0] * (2 * step) + [1] * (40 - 2 * step)
        score += [confidence] * 40
        pred += [0] * (20 - step)
        target += [-1] * (20 - step)
        score += [confidence] * (20 - step)
    curve = open_set_curve(pred, target, score)
    # From accepting everything to the last threshold that accepts anything.
    legacy = curve['f_measure_legacy'][:0:-1]
    assert (np.diff(legacy) > 0).all() and legacy[0] < 0.65 and legacy[-1] == 1
    corrected = curve['f_measure'][:0:-1]
    assert corrected[0] > 0.5 and corrected[-1] < 0.1
    assert np.argmax(corrected) < len(corrected) / 2
    assert curve['f_measure_legacy'][0] == curve['f_measure'][0] == 0


@given(IMAGES)
@properties
def test_areas_equal_scikit_learn_and_pairs(images):
    pred, target, score = columns(images)
    curve = open_set_curve(pred, target, score)
    known = [t >= 0 for t in target]
    assert auroc(curve) == pytest.approx(roc_auc_score(known, score), abs=1e-12)
    fpr, tpr, _ = roc_curve(known, score, drop_intermediate=False)
    for least in (0.95, 0.5, 1.0):
        assert fpr_at_tpr(curve, least) == fpr[tpr >= least][0]
    # The chance that a known image is right and beats an unknown one, ties one half.
    wins = [
        (p == t) * (1.0 if s > other else 0.5 if s == other else 0.0)
        for p, t, s in zip(pred, target, score)
        if t >= 0
        for u, other in zip(target, score)
        if u == -1
    ]
    assert oscr(curve) == pytest.approx(sum(wins) / len(wins), abs=1e-12)
    assert oscr(curve) <= min(auroc(curve), curve['ccr'][-1]) + 1e-12


def test_unusable_images():
    with pytest.raises(ValueError, match=r'no image of an unknown class.*`OpenSet\('):
        open_set_curve([0, 1], [0, 1], [0.5, 0.6])
    with pytest.raises(ValueError, match='Every image of .* is of an unknown class'):
        open_set_curve([0, 1], [-1, -1], [0.5, 0.6])
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match='1 of 2 open-set scores are NaN or inf'):
            open_set_curve([0, 1], [0, -1], [0.5, bad])
