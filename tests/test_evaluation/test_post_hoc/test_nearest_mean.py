# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Against scikit-learn, and against loops over images and classes."""

import math

import pytest
import torch
from sklearn.neighbors import NearestCentroid

from ccsam_mm.evaluation.post_hoc import Outputs, nearest_mean
from ccsam_mm.evaluation.post_hoc.nearest_mean import NOT_LINEAR


def images(seed, size, num_classes=4, dim=6):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % num_classes
    centres = torch.randn(num_classes, dim, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(size, dim, generator=generator)
    features = (1 + centres[labels] + noise).double()
    return Outputs(features, torch.zeros(size, num_classes), labels)


def minus(a, b):
    return [x - y for x, y in zip(a, b)]


def unit(a):
    return [x / math.hypot(*a) for x in a]


def mean(vectors):
    return [sum(column) / len(vectors) for column in zip(*vectors)]


def by_loops(train, test, variant, distance):
    """Predictions, class by class and image by image."""
    centre = mean(train.features.tolist())

    def change(f):
        f = minus(f, centre) if variant == 'cl2n' else f
        return f if variant == 'un' else unit(f)

    own = [change(f) for f in train.features.tolist()]
    labels = train.labels.tolist()
    means = [mean([f for f, y in zip(own, labels) if y == c]) for c in range(4)]
    pred = []
    for feature in map(change, test.features.tolist()):
        if distance == 'l2':
            far = [math.hypot(*minus(feature, m)) for m in means]
        else:
            far = [-sum(x * y for x, y in zip(unit(feature), unit(m))) for m in means]
        pred.append(far.index(min(far)))
    return pred


@pytest.mark.parametrize('seed', range(3))
def test_every_variant_equals_loops(seed):
    train, test = images(seed, 60), images(seed + 100, 80)
    found = {}
    for candidate in nearest_mean(train, 4).candidates:
        variant, _, distance = candidate.name.partition('_')
        found[candidate.name] = candidate.scores(test).argmax(dim=1).tolist()
        assert found[candidate.name] == by_loops(train, test, variant, distance)
        assert (candidate.layer is None) == (candidate.name in NOT_LINEAR)
        if candidate.layer is not None:  # predicts the same
            scores = test.features @ candidate.layer.weight.T + candidate.layer.bias
            assert scores.argmax(dim=1).tolist() == found[candidate.name]
    assert len(found) == 6 and list(found)[0] == 'un_l2'
    assert len({tuple(pred) for pred in found.values()}) > 1  # the test can fail


def test_equals_scikit_learn():
    train, test = images(0, 50), images(1, 300)
    oracle = NearestCentroid().fit(train.features.numpy(), train.labels.numpy())
    candidate = nearest_mean(train, 4).candidates[0]
    pred = candidate.scores(test).argmax(dim=1).numpy()
    assert (pred == oracle.predict(test.features.numpy())).all()


def test_one_image_of_a_class_is_its_mean():
    train = Outputs(torch.eye(3), torch.eye(3), torch.arange(3))
    for candidate in nearest_mean(train, 3).candidates:
        assert candidate.scores(train).argmax(dim=1).tolist() == [0, 1, 2]
