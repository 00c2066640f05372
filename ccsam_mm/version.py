# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Version of the package and of what it runs on; setup.py reads it without torch."""

__version__ = '0.1.0'

# Import name -> supported versions. The maintained forks count like their originals.
SUPPORTED = {
    'torch': '>=2.1,<3',
    'torchvision': '>=0.16,<1',
    'mmengine': '>=0.10.4,<0.11',
    'mmcv': '>=2.0.0,<2.4',
    'mmpretrain': '>=1.2.0,<1.4',
}

# Import name -> distributions that bring it, the one to install by default first.
DISTRIBUTIONS = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv-lite', 'mmcv', 'onedl-mmcv'),
    'mmpretrain': ('mmpretrain', 'onedl-mmpretrain'),
}
