# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Losses at perturbed weights are those of a model that has these weights."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_losses import image_cross_entropy, tiny_losses
from tiny_network import tiny_batch, tiny_model

from ccsam_mm.analysis.landscape import record_images
from ccsam_mm.analysis.landscape import record_images as record
from ccsam_mm.engine.passes.perturbed_parameters import matching_parameters

PREFIXES = ('head', 'head.fc.weight', 'backbone.conv', ['backbone.norm', 'head'], '')


def brute_force(model, loader, names, step):
    """Write the weights into a copy, and evaluate image by image."""
    model = copy.deepcopy(model).eval()
    start = 0
    with torch.no_grad():
        for name in names:
            value = model.get_parameter(name)
            own = step[start : start + value.numel()]
            value += own.view_as(value)
            start += value.numel()
        losses = []
        for data in loader:
            for image, sample in zip(data['inputs'], data['data_samples']):
                loss = model(image[None], [sample], mode='loss')['loss']
                losses.append(float(loss))
    return torch.tensor(losses, dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(PREFIXES), st.integers(0, 99), st.floats(0, 2))
def test_equal_to_written_weights(perturb, seed, size):
    model, loader, losses = tiny_losses(perturb)
    names = list(dict.fromkeys(matching_parameters(model, perturb)))
    generator = torch.Generator().manual_seed(seed)
    step = size * torch.randn(losses.size, generator=generator, dtype=torch.float64)
    expected = brute_force(model, loader, names, step)
    torch.testing.assert_close(losses.at(step), expected, rtol=1e-12, atol=1e-12)
    # Nothing was written, and the statistics of batch norm stand still.
    expected = brute_force(model, loader, names, torch.zeros_like(step))
    torch.testing.assert_close(losses.at(), expected, rtol=1e-12, atol=1e-12)


def test_the_trunk_runs_once_for_the_head():
    calls = []
    model = tiny_model()
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    _, _, losses = tiny_losses(model=model)
    before = copy.deepcopy(model.state_dict())
    for step in (0.0, 0.5):
        losses.at(torch.full((losses.size,), step, dtype=torch.float64))
    assert len(calls) == 2  # the two batches of the recording
    assert losses.size == 4 * 5 + 5
    assert len(losses.batches) == 1  # joined, since features are small
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize('perturb', ['head', ''])
def test_some_of_the_images(perturb):
    _, _, losses = tiny_losses(perturb)
    chosen = torch.tensor([False, True, False, False, True])
    step = torch.randn(losses.size, dtype=torch.float64)
    some = losses.of(chosen)
    assert some.labels.tolist() == [1, 0]
    torch.testing.assert_close(some.at(step), losses.at(step)[chosen])
    assert len(losses.of(torch.arange(5) < 2).batches) == 1


def test_shared_parameters_move_once_and_everywhere():
    model = tiny_model()
    model.backbone.twin = model.backbone.conv  # by two names
    _, _, losses = tiny_losses('backbone', model=model)
    assert losses.size == sum(p.numel() for p in model.backbone.parameters())
    step = torch.randn(losses.size, dtype=torch.float64)
    _, _, plain = tiny_losses('backbone', model=tiny_model())
    assert list(losses.parameters) == list(plain.parameters)
    torch.testing.assert_close(losses.at(step), plain.at(step))


def test_scores_that_are_none_are_refused():
    loader = [tiny_batch([0, 1])]
    model = tiny_model().requires_grad_(False).eval()
    with pytest.raises(ValueError, match='5 classes and the training data set has 7'):
        record(model, ['head.fc.weight'], loader, image_cross_entropy, 2, 7)
    model.forward = lambda inputs, mode: (inputs,)
    with pytest.raises(ValueError, match='does not give one vector of scores'):
        record(model, ['head.fc.weight'], loader, image_cross_entropy, 2, 5)


def test_losses_that_couple_images_are_refused():
    model = tiny_model().requires_grad_(False).eval()
    for loss in (
        lambda scores, labels: (
            image_cross_entropy(scores - scores.mean(), labels) + scores.mean()
        ),
        lambda scores, labels: image_cross_entropy(scores, labels).mean(),
        lambda scores, labels: scores,
    ):
        with pytest.raises(ValueError, match='use --loss ce'):
            record_images(
                model, ['head.fc.weight'], [tiny_batch([0, 1, 2])], loss, 3, 5
            )


def test_images_that_do_not_fit_are_refused_at_the_first_batch():
    model = tiny_model().requires_grad_(False).eval()

    def loader():
        yield tiny_batch([0, 1])
        raise AssertionError('a second batch was asked for')

    with pytest.raises(MemoryError, match='set --samples to a number'):
        record(model, ['backbone.conv.bias'], loader(), image_cross_entropy, 10**9, 5)


def test_a_model_that_changes_the_scores_of_its_head():
    model = tiny_model().requires_grad_(False).eval()
    own = model.forward
    model.forward = lambda *args, **kwargs: own(*args, **kwargs) / 2
    with pytest.raises(NotImplementedError, match="set --perturb ''"):
        record(
            model, ['head.fc.weight'], [tiny_batch([0, 1])], image_cross_entropy, 2, 5
        )
