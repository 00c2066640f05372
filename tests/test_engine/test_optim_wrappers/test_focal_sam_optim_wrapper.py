# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Focal-SAM against ``sam_brute_force.py``: three spelled-out terms, in float64."""

import copy
from functools import partial

import pytest
import updates
from brute_force import cross_entropy
from hypothesis import given, settings
from hypothesis import strategies as st
from sam_brute_force import focal_gradients, sam_gradients
from tiny_network import tiny_batch, tiny_model
from torch import eye
from updates import relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

COUNTS = [500, 60, 20, 19, 1]


build_wrapper = partial(
    updates.build_wrapper, type='FocalSAMOptimWrapper', class_counts=COUNTS
)


def image_losses_of(batch, labels):
    """Losses of the batch's images as a function of the network."""
    targets = eye(5).double()[labels]
    return lambda net: cross_entropy(net(batch['inputs'], mode='tensor'), targets)


@settings(max_examples=120, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=9),
    gamma=st.sampled_from([0.0, 1.0, 3.2]),
    sharpness_weight=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    rho=st.sampled_from([0.0, 0.05, 2.0]),
    adaptive=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_update_equals_brute_force(labels, seed, **options):
    model, batch = tiny_model(seed=seed), tiny_batch(labels, seed=seed)
    expected = focal_gradients(
        copy.deepcopy(model), image_losses_of(batch, labels), labels, COUNTS, **options
    )
    actual = sgd_updates(model, batch, build_wrapper(model, **options))
    assert relative_difference(actual, expected) < 1e-9


def test_equal_weights_are_sam():
    labels = [0, 0, 1, 4]
    model, batch = tiny_model(), tiny_batch(labels)
    losses = image_losses_of(batch, labels)
    sam = sam_gradients(copy.deepcopy(model), lambda net: losses(net).mean(), rho=0.5)
    focal = copy.deepcopy(model)
    actual = sgd_updates(focal, batch, build_wrapper(focal, rho=0.5))
    assert relative_difference(actual, sam) > 1e-2
    wrapper = build_wrapper(model, rho=0.5, gamma=0, sharpness_weight=1)
    assert relative_difference(sgd_updates(model, batch, wrapper), sam) < 1e-9


@pytest.mark.parametrize('name', ['gamma', 'sharpness_weight'])
def test_wrong_options_are_refused(name):
    with pytest.raises(ValueError, match=f'optim_wrapper.{name} is -1'):
        build_wrapper(tiny_model(), **{name: -1})
