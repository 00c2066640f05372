# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Sheets of images whose colour tells their class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from mmpretrain.datasets import BaseDataset

from ccsam_mm.analysis import draw_image_sheet
from ccsam_mm.analysis.image_sheet import sheet_classes
from ccsam_mm.evaluation import shot_groups

# Of three classes, red first.
COLORS = [[250, 10, 20], [30, 240, 40], [50, 60, 230]]
COUNTS = [200, 30, 3]


class Colors(BaseDataset):
    """Images of one colour, which the pipeline packs."""

    def __init__(self, labels, size=(8, 8), blue_first=True, grey=False, **kwargs):
        self.labels, self.size = labels, size
        self.blue_first, self.grey = blue_first, grey
        kwargs.setdefault('pipeline', [dict(type='PackInputs')])
        super().__init__(ann_file='', serialize_data=False, **kwargs)

    def load_data_list(self):
        items = []
        for label in self.labels:
            color = COLORS[label][::-1] if self.blue_first else COLORS[label]
            image = np.full((*self.size, 3), color, dtype=np.uint8)
            image = image[..., :1] if self.grey else image
            items.append({'img': image, 'gt_label': label})
        return items


def area(path, color):
    """Number of pixels of a colour."""
    picture = np.round(255 * imread(path)[..., :3])
    return int((np.abs(picture - color).max(-1) <= 1).sum())


@given(
    counts=st.lists(st.integers(1, 300), min_size=1, max_size=40),
    per_group=st.integers(1, 5),
)
def test_classes_are_both_ends_of_each_group(counts, per_group):
    chosen = sheet_classes(counts, range(len(counts)), per_group)
    assert len(set(chosen)) == len(chosen)
    assert [counts[c] for c in chosen] == sorted(counts[c] for c in chosen)[::-1]
    for members in shot_groups(counts).values():
        own = [counts[c] for c in chosen if members[c]]
        assert len(own) == min(per_group, members.sum())
        if len(own) > 1:
            in_group = np.asarray(counts)[members]
            assert (own[0], own[-1]) == (in_group.max(), in_group.min())


def test_classes_without_an_image_are_not_chosen():
    assert sheet_classes([500, 60, 4], [0, 2]) == [0, 2]


@pytest.mark.parametrize('blue_first', [True, False])
def test_colours_are_right_and_rows_end_with_the_images(tmp_path, blue_first):
    path = tmp_path / 'new' / 'sheet.png'
    dataset = Colors([0, 1, 2, 0, 1, 0], blue_first=blue_first)
    draw_image_sheet(dataset, COUNTS, path, columns=2, to_rgb=blue_first)
    # Two images of the first two classes each, one of the last.
    assert [area(path, color) / 96**2 for color in COLORS] == [2, 2, 1]


def test_images_keep_their_shape(tmp_path):
    path = tmp_path / 'sheet.png'
    draw_image_sheet(Colors([0], size=(10, 20)), COUNTS, path, columns=1)
    assert area(path, COLORS[0]) == 96 * 48


def test_grey_images_and_normalised_ones(tmp_path):
    path = tmp_path / 'sheet.png'
    dataset = Colors([0], grey=True, blue_first=False)
    draw_image_sheet(dataset, COUNTS, path, columns=1)
    assert area(path, [COLORS[0][0]] * 3) == 96 * 96
    normalize = dict(type='Normalize', mean=[9.0] * 3, std=[5.0] * 3, to_rgb=False)
    dataset = Colors([0], pipeline=[normalize, dict(type='PackInputs')])
    # The least of the three values becomes 0, the greatest 255.
    draw_image_sheet(dataset, COUNTS, path, columns=1)
    assert area(path, [255, 0, 11]) == 96 * 96


def test_what_is_no_image_is_one_sentence(tmp_path):
    with pytest.raises(TypeError, match=r"a dict with img, gt_label.*'PackInputs'"):
        draw_image_sheet(Colors([0], pipeline=[]), COUNTS, tmp_path / 'sheet.png')
    unknown = Colors([0])
    unknown.get_gt_labels = lambda: np.asarray([-1])
    with pytest.raises(ValueError, match='no image of a known class'):
        draw_image_sheet(unknown, COUNTS, tmp_path / 'sheet.png')
