# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The shared count agrees with a set, in whatever process a file is noted."""

import copy
import multiprocessing
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsam_mm.datasets.transforms.distinct_files import DistinctFiles


@given(st.lists(st.sampled_from([f'a/{i}.jpg' for i in range(20)])))
def test_counts_like_a_set(paths):
    files, oracle = DistinctFiles(), set()
    for path in paths:
        assert files.add(path) == (path not in oracle)
        oracle.add(path)
        assert len(files) == len(oracle)


@pytest.mark.parametrize('size', [100, 1000])
def test_collisions_are_rare(size):
    files = DistinctFiles()
    for i in range(size):
        files.add(f'train/n01440764/n01440764_{i}.JPEG')
    expected = size**2 / 2**19
    assert size - 5 * expected - 1 <= len(files) <= size


def test_copies_share_and_pickles_do_not():
    files = DistinctFiles()
    for other in (copy.deepcopy(files), copy.copy(files)):
        other.add('a')
        assert not files.add('a')
    stored = pickle.loads(pickle.dumps(files))
    assert not stored.add('a')
    assert stored.add('b') and files.add('b')


@pytest.mark.slow
@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_processes_share(method):
    files = DistinctFiles()
    context = multiprocessing.get_context(method)
    worker = context.Process(target=files.add, args=('a',))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert not files.add('a') and files.add('b')
