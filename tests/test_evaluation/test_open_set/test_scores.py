# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Scores against loops over the images and classes, in plain Python."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsam_mm.evaluation.open_set import (
    ClassStatistics,
    needs_distances,
    needs_prototypes,
    open_set_score_key,
    parse_score,
    score_function,
    score_writer,
)


def softmax(values):
    top = max(values)
    powers = [math.exp(value - top) for value in values]
    return [power / sum(powers) for power in powers]


def cosine(a, b):
    lengths = math.dist(a, [0] * len(a)) * math.dist(b, [0] * len(b))
    return sum(x * y for x, y in zip(a, b)) / lengths


def slow_msp(feature, logit, prototypes, temperature=1.0):
    return max(softmax([a / temperature for a in logit]))


def slow_energy(feature, logit, prototypes, temperature=1.0):
    top = max(logit)
    total = sum(math.exp((a - top) / temperature) for a in logit)
    return top + temperature * math.log(total)


def slow_cosine(feature, logit, prototypes):
    return max(cosine(feature, prototype) for prototype in prototypes)


def slow_euclidean(feature, logit, prototypes, temperature=0.1):
    length = math.dist(feature, [0] * len(feature))
    unit = [x / length for x in feature]
    return max(softmax([-(math.dist(unit, p) ** 2) / temperature for p in prototypes]))


def slow_hybrid(feature, logit, prototypes, temperature=1.0):
    near = max(0, slow_cosine(feature, logit, prototypes))
    return slow_msp(feature, logit, prototypes, temperature) * near


SLOW = dict(
    msp=slow_msp,
    max_logit=lambda feature, logit, prototypes: max(logit),
    energy=slow_energy,
    proto_cosine=slow_cosine,
    proto_euclidean=slow_euclidean,
    hybrid=slow_hybrid,
)
SCORES = [
    *SLOW,
    dict(type='msp', temperature=2.5),
    dict(type='energy', temperature=0.3),
    dict(type='proto_euclidean', temperature=1.5),
    dict(type='hybrid', temperature=4),
]


@pytest.mark.parametrize('score', SCORES, ids=str)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_equals_a_loop(score, data):
    num_classes, size = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    scale = data.draw(st.sampled_from([1e-3, 1.0, 30.0]))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    shapes = (4, size), (4, num_classes), (num_classes, size)
    features, logits, prototypes = (
        scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in shapes
    )
    prototypes /= prototypes.norm(dim=1, keepdim=True)
    found = score_function(score, ClassStatistics(prototypes))(features, logits)
    name, options = parse_score(score)
    for i in range(4):
        expected = SLOW[name](
            features[i].tolist(), logits[i].tolist(), prototypes.tolist(), **options
        )
        assert float(found[i]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_zero_feature_is_no_nan():
    statistics = ClassStatistics(torch.eye(2))
    features, logits = torch.zeros(1, 2), torch.zeros(1, 2)
    for score, expected in (('proto_cosine', 0), ('proto_euclidean', 0.5)):
        assert score_function(score, statistics)(features, logits) == expected


def test_which_scores_need_what():
    assert [s for s in SLOW if needs_prototypes(s)] == [
        'proto_cosine',
        'proto_euclidean',
        'hybrid',
    ]
    assert needs_distances(dict(type='openmax', alpha=3)) and not needs_distances('msp')


@pytest.mark.parametrize(
    'score, message',
    [
        ('enrgy', r"score='enrgy' is unknown: set .* 'energy'"),
        (dict(temperature=1.0), 'is unknown'),
        (dict(type='energy', temprature=2), 'temprature=2: leave it out, or set temp'),
        (dict(type='energy', temperature=0), 'temperature=0'),
        (dict(type='msp', temperature='warm'), "temperature='warm'"),
        (dict(type='max_logit', temperature=2.0), 'temperature=2.0: leave it out\\.'),
        (dict(type='openmax', alpha=True), 'set tail_size=.* and alpha='),
        (dict(type='openmax', alpha=0.5), 'alpha=0.5: .* alpha=<integer from 1 on>'),
        (dict(type='openmax', tail_size=2), 'set tail_size=<integer from 3 on>'),
    ],
)
def test_wrong_scores_are_one_sentence(score, message):
    with pytest.raises(ValueError, match=message):
        parse_score(score)


def test_writer_names_the_scores_on_each_sample():
    class Sample:
        pass

    scores = ['max_logit', dict(type='energy', temperature=2.0)]
    functions = {open_set_score_key(s): score_function(s) for s in scores}
    samples = [Sample(), Sample()]
    logits = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    score_writer(functions)(torch.zeros(2, 1), logits, samples)
    for sample, logit in zip(samples, logits.tolist()):
        energy = slow_energy(None, logit, None, temperature=2.0)
        assert sample.open_set_scores == {
            'max_logit': max(logit),
            'energy(temperature=2.0)': pytest.approx(energy, rel=1e-6),
        }
