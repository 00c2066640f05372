# Copyright (c) ccsam_mm contributors. All rights reserved.
import os.path as osp
import runpy
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = osp.dirname(osp.abspath(__file__))
VERSION = runpy.run_path(osp.join(ROOT, 'ccsam_mm', 'version.py'))


class BuildWithMim(build_py):
    """Add the folder that MIM reads, ``ccsam_mm/.mim``, to wheels."""

    def run(self):
        """Build the package, then add configs, tools and the index of models."""
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        mim = osp.join(self.build_lib, 'ccsam_mm', '.mim')
        shutil.rmtree(mim, ignore_errors=True)
        for name in ('configs', 'tools'):
            shutil.copytree(
                osp.join(ROOT, name),
                osp.join(mim, name),
                ignore=shutil.ignore_patterns('__pycache__', '.*'),
            )
        index = osp.join(ROOT, 'model-index.yml')
        if osp.exists(index):
            shutil.copy(index, mim)


def read(*path):
    """Read a text file of the repository; an absent one counts as empty."""
    path = osp.join(ROOT, *path)
    if not osp.exists(path):
        return ''
    with open(path, encoding='utf-8') as file:
        return file.read()


def requirements(name):
    """Read a list of requirements."""
    lines = read('requirements', f'{name}.txt').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def family(position):
    """Requirements of PyTorch and OpenMMLab: 0 for upstream, -1 for the forks."""
    return [
        distributions[position] + VERSION['SUPPORTED'][name]
        for name, distributions in VERSION['DISTRIBUTIONS'].items()
    ]


setup(
    name='ccsam_mm',
    version=VERSION['__version__'],
    description='Deep long-tailed recognition with CC-SAM on OpenMMLab',
    long_description=read('README.md'),
    long_description_content_type='text/markdown',
    author='ccsam_mm contributors',
    license='Apache-2.0',
    keywords='long-tailed recognition, sharpness-aware minimization, OpenMMLab',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    packages=find_packages(include=('ccsam_mm', 'ccsam_mm.*')),
    cmdclass=dict(build_py=BuildWithMim),
    python_requires='>=3.9',
    # The stack is an extra: as a requirement, it would install mmcv-lite over a full
    # mmcv, and upstream over the maintained forks.
    install_requires=requirements('runtime'),
    extras_require=dict(
        openmmlab=family(0),
        onedl=family(-1),
        tests=requirements('tests'),
        all=family(0) + requirements('tests'),
    ),
    zip_safe=False,
)
