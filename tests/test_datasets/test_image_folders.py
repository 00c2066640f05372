# Copyright (c) ccsam_mm contributors. All rights reserved.
import os

import pytest

from ccsam_mm.datasets.image_folders import after, locate, missing_files


@pytest.fixture
def root(tmp_path):
    for path in ('a/1.jpg', 'a/2.jpg', 'b/c/3.jpg'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b'')
    return str(tmp_path)


def test_missing_files(root):
    names = ('a/1.jpg', 'a/3.jpg', 'b/c/3.jpg', 'b/3.jpg', 'd/e/1.jpg', 'a/2.jpg')
    paths = [f'{root}/{name}' for name in names]
    expected = [i for i, path in enumerate(paths) if not os.path.exists(path)]
    assert missing_files(paths) == expected == [1, 3, 4]


def test_missing_files_in_the_working_directory(root, monkeypatch):
    monkeypatch.chdir(f'{root}/a')
    assert missing_files(['1.jpg', '3.jpg']) == [1]


def test_locate_takes_the_first_folder_that_exists(root):
    asked = []

    def candidates(folder, key):
        asked.append((folder, key))
        return [f'x/{folder}', f'b/{key}', folder, '']

    paths, keys = ['a/1.jpg', 'a/9.jpg', 'a/3.jpg', '4.jpg'], ['a', 'a', 'c', 'a']
    assert locate(root, paths, keys, candidates) == [
        f'{root}/a/1.jpg',
        f'{root}/a/9.jpg',
        f'{root}/b/c/3.jpg',
        f'{root}/4.jpg',
    ]
    assert asked == [('a', 'a'), ('a', 'c'), ('', 'a')]  # each pair once


def test_locate_asks_no_remote_disk():
    located = locate('s3://bucket', ['a/1.jpg'], [0], lambda *_: ['a', 'b'])
    assert located == ['s3://bucket/a/1.jpg']


def test_after():
    assert after('./train/a/b', ('train', 'val')) == ('train', ['a', 'b'])
    assert after('/x/val/train/', ('train', 'val')) == ('train', [])
    assert after('trains/a', ('train', 'val')) is None
    assert after('', ('train', 'val')) is None
