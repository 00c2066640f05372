# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Bring Places-LT into the layout that the configs read, data/places_lt.

DOWNLOADS are the folder of Places365-Standard with images of 256x256 pixels and the
folder of OLTR's lists Places_LT_*.txt, for open sets with the images in
`Places_LT_open`. The images are unpacked as `data_256` and `val_256`, or as
`places365_standard`, or still in train_256_places365standard.tar and val_256.tar, or
places365standard_easyformat.tar. Example:

    python tools/dataset_converters/places_lt.py ~/places365 ~/Downloads/Places_LT
"""

import sys

from converter_utils import Benchmark, Part, convert
from oltr import oltr_parts

from ccsam_mm.datasets import PlacesLT

PLACES = 'http://places2.csail.mit.edu/download.html (small images, 256 * 256)'
EASY = 'places365standard_easyformat.tar:places365_standard'


BENCHMARK = Benchmark(
    name='Places-LT',
    dataset=PlacesLT,
    data_root='data/places_lt',
    parts=(
        Part(
            'training images',
            {
                'data_256': ('data_256', 'train_256_places365standard.tar:data_256'),
                'train': ('places365_standard/train', 'train', f'{EASY}/train'),
                'train_256': ('train_256',),
            },
            PLACES,
        ),
        Part(
            'test images',
            {
                'val_256': ('val_256', 'val_256.tar:val_256'),
                'val': ('places365_standard/val', 'val', f'{EASY}/val'),
            },
            PLACES,
        ),
        *oltr_parts('Places_LT', 'Places_LT', 'Places_LT_v2'),
    ),
    expected={
        'train images': '62,500',
        'val images': '7,300',
        'test images': '36,500',
        'open images': '6,600',
        'classes': '365',
        'images per class': '4980 .. 5',
        'many / medium / few classes': '131 / 163 / 71',
    },
)

if __name__ == '__main__':
    sys.exit(convert(BENCHMARK, __doc__))
