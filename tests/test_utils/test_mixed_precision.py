# Copyright (c) ccsam_mm contributors. All rights reserved.
import mmengine.device
import pytest
from mmengine.optim import AmpOptimWrapper, OptimWrapper

import ccsam_mm  # noqa: F401
from ccsam_mm.utils import mixed_precision
from ccsam_mm.utils.mixed_precision import amp_twin


@pytest.mark.parametrize(
    ('configured', 'twin'),
    [
        ('OptimWrapper', 'AmpOptimWrapper'),
        (OptimWrapper, 'AmpOptimWrapper'),
        ('AmpOptimWrapper', 'AmpOptimWrapper'),
        (AmpOptimWrapper, 'AmpOptimWrapper'),
        ('mmengine.OptimWrapper', 'mmengine.AmpOptimWrapper'),
        ('CCSAMOptimWrapper', 'AmpCCSAMOptimWrapper'),
    ],
)
def test_amp_twin(monkeypatch, configured, twin):
    monkeypatch.setattr(mixed_precision, 'get_device', lambda: 'cuda')
    assert amp_twin(configured) == twin


def test_amp_without_twin_is_one_sentence():
    with pytest.raises(ValueError, match='no AmpNoSuchWrapper beside'):
        amp_twin('NoSuchWrapper')


@pytest.mark.skipif(mmengine.device.get_device() != 'cpu', reason='has an accelerator')
def test_amp_without_accelerator_is_one_sentence():
    with pytest.raises(RuntimeError, match='leave out --amp'):
        amp_twin('OptimWrapper')
