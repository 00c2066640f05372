# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Version of the package and of what it runs on; setup.py reads it without torch."""

__version__ = '0.1.0'

# Import name -> supported versions. The maintained forks count like their originals.
# The lowest ones ran the tests of the engine together, with Python 3.9 and NumPy 1.26:
# torch 2.3.0, torchvision 0.18.0, mmengine 0.10.4, mmcv-lite 2.0.0, mmpretrain 1.2.0.
# Not supported there: torch.compile of a whole train step, which torch 2.3 fails at.
SUPPORTED = {
    'torch': '>=2.3,<3',
    'torchvision': '>=0.18,<1',
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
