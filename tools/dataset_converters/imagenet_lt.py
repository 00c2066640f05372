# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Bring ImageNet-LT into the layout that the configs read, data/imagenet_lt.

DOWNLOADS are the folder of ILSVRC2012 (with `train` and `val`, or Kaggle's `ILSVRC`, or
ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar) and the folder of OLTR's lists
ImageNet_LT_*.txt, for open sets with the images in `ImageNet_LT_open`. Example:

    python tools/dataset_converters/imagenet_lt.py ~/imagenet ~/Downloads/ImageNet_LT
"""

import sys

from converter_utils import Benchmark, Part, convert
from oltr import oltr_parts

from ccsam_mm.datasets import ImageNetLT

IMAGENET = 'https://image-net.org/challenges/LSVRC/2012/2012-downloads.php'


def images(folder):
    """Possible places of the images of ILSVRC2012."""
    unpacked = (folder, f'ILSVRC2012_img_{folder}', f'ILSVRC/Data/CLS-LOC/{folder}')
    return {folder: (*unpacked, f'ILSVRC2012_img_{folder}.tar:')}


BENCHMARK = Benchmark(
    name='ImageNet-LT',
    dataset=ImageNetLT,
    data_root='data/imagenet_lt',
    parts=(
        Part('training images', images('train'), IMAGENET),
        Part('test images', images('val'), IMAGENET),
        *oltr_parts('ImageNet_LT', 'ImageNet_LT'),
    ),
    expected={
        'train images': '115,846',
        'val images': '20,000',
        'test images': '50,000',
        'open images': '18,000',
        'classes': '1,000',
        'images per class': '1280 .. 5',
        'many / medium / few classes': '385 / 479 / 136',
    },
)

if __name__ == '__main__':
    sys.exit(convert(BENCHMARK, __doc__))
