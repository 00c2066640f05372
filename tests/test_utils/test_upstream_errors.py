# Copyright (c) ccsam_mm contributors. All rights reserved.
from ccsam_mm.utils.upstream_errors import explain


def test_missing_pkg_resources_is_explained():
    error = ModuleNotFoundError('no module', name='pkg_resources')
    assert 'setuptools<82' in explain(error)
    assert explain(ValueError('else')) == ''
