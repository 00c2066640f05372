# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest

from ccsam_mm.utils.checkpoints import saved_dataset_meta


@pytest.mark.parametrize(
    ('checkpoint', 'expected'),
    [
        ({}, {}),
        (dict(meta=None), {}),
        (dict(meta='text'), {}),
        (dict(meta=dict(dataset_meta=['a', 'b'])), {}),
        (dict(meta=dict(dataset_meta=dict(classes=5, class_counts='x'))), {}),
        (dict(meta=dict(CLASSES='cats')), {}),
        (dict(meta=dict(CLASSES=('a', 'b'))), dict(classes=['a', 'b'])),
        (
            dict(meta=dict(dataset_meta=dict(classes=('a',), class_counts=[3]))),
            dict(classes=['a'], class_counts=[3]),
        ),
    ],
)
def test_what_others_have_written_is_taken_only_as_lists(checkpoint, expected):
    assert saved_dataset_meta(checkpoint) == expected
