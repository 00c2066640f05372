# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A choice of tools/benchmarks/check_backbones.py that takes seconds."""

import backbones
import pytest

EXACT = [
    'BEiTViT',  # a position bias that all images share
    'ConvMixer',  # an activation that all blocks share
    'ConvNeXt',
    'DaViT',
    'DenseNet',
    'DistilledVisionTransformer',
    'HorNet',
    'MViT',
    'MixMIMTransformer',
    'RepMLPNet',
    'ResNet',
    'RevVisionTransformer',
    'SVT',
    'SwinTransformer',
    'T2T_ViT',
    'VisionTransformer',
]


@pytest.mark.parametrize('name', EXACT)
def test_update_equals_a_copy_of_the_network_per_class(name):
    outcome = backbones.check(name)
    assert outcome.kind == 'exact', outcome
    assert outcome.difference < 1e-9 and outcome.effect > 1e-3


@pytest.mark.parametrize(
    ('name', 'said'),
    [('TNT', 'are not images'), ('VAN', 'parameters of its own and the batch norm')],
)
def test_what_can_not_be_routed_is_refused_by_name(name, said):
    outcome = backbones.check(name)
    assert outcome.kind == 'refused' and said in outcome.sentence, outcome
