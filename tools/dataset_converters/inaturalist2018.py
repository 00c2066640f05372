# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Bring iNaturalist 2018 into the layout that the configs read, data/inaturalist2018.

DOWNLOADS is the folder of the competition's files: `train_val2018`, train2018.json and
val2018.json, or their archives NAME.tar.gz. The lists iNaturalist18_{train,val}.txt of
classifier-balancing can replace the JSON files. Example:

    python tools/dataset_converters/inaturalist2018.py ~/Downloads
"""

import sys

from converter_utils import Benchmark, Part, convert
from oltr import list_places

from ccsam_mm.datasets import INaturalist2018

INATURALIST = 'https://github.com/visipedia/inat_comp/tree/master/2018#data'


def annotations(split):
    """Possible places of the official file of a split, or of a list."""
    name, text = f'{split}2018.json', f'iNaturalist18_{split}.txt'
    return {
        name: (name, f'{name}.tar.gz:{name}'),
        text: list_places(text, 'iNaturalist18'),
    }


BENCHMARK = Benchmark(
    name='iNaturalist 2018',
    dataset=INaturalist2018,
    data_root='data/inaturalist2018',
    parts=(
        Part(
            'images',
            {'train_val2018': ('train_val2018', 'train_val2018.tar.gz:train_val2018')},
            INATURALIST,
        ),
        Part('lists of training images', annotations('train'), INATURALIST),
        Part('lists of validation images', annotations('val'), INATURALIST),
    ),
    expected={
        'train images': '437,513',
        'val images': '24,426',
        'classes': '8,142',
        'images per class': '1000 .. 2',
    },
)

if __name__ == '__main__':
    sys.exit(convert(BENCHMARK, __doc__))
