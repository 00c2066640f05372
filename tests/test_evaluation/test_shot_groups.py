# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest

from ccsam_mm.evaluation import shot_groups


def test_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="'stirct' is unknown: set `shot_rule` of sho"):
        shot_groups([500, 60, 4], 'stirct')
