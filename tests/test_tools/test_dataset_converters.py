# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The converters, from what people download to what the configs read."""

import dataclasses
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from official_layouts import (
    OTHERS,
    TRAIN,
    entries,
    write_images,
    write_json,
    write_list,
    write_mini,
)

REPO = Path(__file__).parents[2]
TOOLS = REPO / 'tools/dataset_converters'
NAMES = ('imagenet_lt', 'places_lt', 'inaturalist2018')


@pytest.fixture
def convert(load_tool, monkeypatch):
    """Run a converter; `complete` replaces the true numbers by those of a small set."""
    monkeypatch.syspath_prepend(TOOLS)

    def run(name, *argv, complete=None):
        tool = load_tool(f'dataset_converters/{name}')
        expected = tool.BENCHMARK.expected
        if complete is not None:
            expected = {f'{split} images': f'{n:,}' for split, n in complete.items()}
        benchmark = dataclasses.replace(tool.BENCHMARK, expected=expected)
        return tool.convert(benchmark, tool.__doc__, [str(arg) for arg in argv])

    return run


@pytest.fixture
def benchmark_of(load_tool, monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return lambda name: load_tool(f'dataset_converters/{name}').BENCHMARK


@pytest.fixture(scope='module')
def minis(tmp_path_factory):
    """Small benchmarks, which no test changes: root and paths of each split."""

    @cache
    def write(name):
        root = tmp_path_factory.mktemp(name)
        return root, write_mini(root, name)

    return write


@pytest.fixture
def places(minis):
    """A small Places-LT and the size of each split."""
    root, written = minis('places_lt')
    return root, {split: len(paths) for split, paths in written.items()}


def snapshot(folder):
    """Every file and link below a folder, with its size and time."""
    found = {}
    for path in sorted(Path(folder).rglob('*')):
        stat = path.lstat()
        found[str(path)] = (stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


def table(log):
    """What is found and expected, from the table that a converter prints."""
    rows = [line.split('|')[1:-1] for line in log.splitlines() if line[:2] == '| ']
    cells = [[cell.strip() for cell in row] for row in rows[1:]]
    return {name: values for name, *values in cells}


def tar(archive, files, mode='w'):
    """Write an archive of names and contents (bytes, or the path of a file)."""
    with tarfile.open(archive, mode) as file:
        for name, content in files.items():
            if not isinstance(content, bytes):
                content = Path(content).read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return archive


def files_below(root, folder):
    """Contents of the files below a folder, by their path below the root."""
    paths = (path for path in (root / folder).rglob('*') if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


@pytest.mark.parametrize('name', NAMES)
def test_expected_numbers_are_the_published_ones(benchmark_of, name):
    """Against the table of the test data, which was written from the papers."""
    expected = benchmark_of(name).expected
    total, largest, smallest, groups = TRAIN[name]
    assert expected['train images'] == f'{total:,}'
    assert expected['images per class'] == f'{largest} .. {smallest}'
    assert expected['classes'] == f'{sum(groups):,}'
    if name != 'inaturalist2018':  # its groups are computed, not published
        wanted = ' / '.join(map(str, groups))
        assert expected['many / medium / few classes'] == wanted
    for split, number in OTHERS[name].items():
        number *= 1 if split == 'open' else sum(groups)
        assert expected[f'{split} images'] == f'{number:,}'


def test_documentation_tells_the_numbers_and_places(benchmark_of):
    text = (REPO / 'docs/datasets.md').read_text()
    for path in re.findall(r'(?:tools|configs)/[\w/]+(?:\.\w+)?', text):
        assert (REPO / path).exists(), path
    for name in NAMES:
        benchmark = benchmark_of(name)
        line = re.search(rf'\| {benchmark.name} \|(.*)', text)[1]
        for what, number in benchmark.expected.items():
            # The number of classes is the sum of the groups.
            assert number in line or what == 'classes'
        folders = [n for part in benchmark.parts for n in part.places if '.' not in n]
        assert folders and all(folder in text for folder in folders)


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_folders_are_linked_and_read(
    tmp_path, minis, convert, benchmark_of, capsys, name
):
    root, written = minis(name)
    out = tmp_path / 'data' / 'new'
    sizes = {split: len(paths) for split, paths in written.items()}
    arguments = (name, root, '--out', out)
    assert convert(*arguments, complete=sizes) == 0
    assert f"'{out}' is complete." in capsys.readouterr().out
    assert all(path.is_symlink() == path.is_dir() for path in out.iterdir())
    for split, paths in written.items():
        dataset = benchmark_of(name).dataset(str(out), split=split)
        assert len(dataset) == len(paths)
        assert Path(dataset.get_data_info(0)['img_path']).is_file()

    before = snapshot(out)
    assert convert(*arguments, complete=sizes) == 0
    log = capsys.readouterr().out.splitlines()
    assert log[0] == f"'{out}' has all of it already: nothing to change"
    assert log[1].startswith(f'| {benchmark_of(name).name} ')
    assert snapshot(out) == before


def test_lists_of_one_dialect_find_images_of_another(tmp_path, convert, capsys):
    """ImageNet's archive has the images of `val` in one folder."""
    name, images, lists = 'imagenet_lt', tmp_path / 'a', tmp_path / 'ImageNet_LT'
    sizes = {}
    for split in ('train', 'val', 'test'):
        paths = [p for p, _ in entries(name, split, 'flat', mini=True)]
        write_images(images / 'ILSVRC/Data/CLS-LOC', paths)  # as Kaggle packs it
        write_list(lists, name, split, 'folders', mini=True)
        sizes[split] = len(paths)
    out = tmp_path / 'out'
    # The lists lie in a folder of the second download.
    arguments = (name, images, tmp_path, '--out', out)
    assert convert(*arguments, complete=sizes) == 0
    log = capsys.readouterr().out
    assert "no images of unknown classes: the split 'open' is left out" in log
    assert os.path.samefile(out / 'val', images / 'ILSVRC/Data/CLS-LOC/val')


def imagenet_archives(root, downloads):
    """Archives of an archive per class, and of the images of all classes."""
    classes = {}
    for path in sorted((root / 'train').iterdir()):
        images = {p.name: p for p in sorted(path.iterdir())}
        classes[f'{path.name}.tar'] = tar(downloads / f'{path.name}.tar', images)
    tar(downloads / 'ILSVRC2012_img_train.tar', classes)
    for path in classes.values():
        path.unlink()
    images = {p.name: p for p in (root / 'val').rglob('*.JPEG')}
    tar(downloads / 'ILSVRC2012_img_val.tar', images)


def test_imagenet_archives(tmp_path, convert):
    root, downloads, out = (tmp_path / p for p in ('root', 'downloads', 'out'))
    name, sizes = 'imagenet_lt', {}
    downloads.mkdir()
    for split in ('train', 'val', 'test'):
        paths = [p for p, _ in entries(name, split, mini=True)]
        write_images(root, paths)
        write_list(downloads, name, split, mini=True)
        sizes[split] = len(paths)
    imagenet_archives(root, downloads)
    before = snapshot(downloads)
    assert convert(name, downloads, '--out', out, complete=sizes) == 0
    assert files_below(out, 'train') == files_below(root, 'train')
    assert not list(out.glob('.*'))
    assert snapshot(downloads) == before


@pytest.mark.parametrize('easy', [False, True])
def test_places_archives(tmp_path, places, convert, easy):
    root, sizes = places
    downloads, out = tmp_path / 'downloads', tmp_path / 'out'
    downloads.mkdir()
    for path in root.glob('*.txt'):
        shutil.copy(path, downloads)
    shutil.copytree(root / 'Places_LT_open', downloads / 'Places_LT_open')
    if easy:
        packed = {}
        for split in ('train', 'val', 'test'):
            listed = [p for p, _ in entries('places_lt', split, mini=True)]
            easy_paths = [p for p, _ in entries('places_lt', split, 'easy', mini=True)]
            for path, easy_path in zip(listed, easy_paths):
                packed[f'./places365_standard/{easy_path}'] = root / path
        tar(downloads / 'places365standard_easyformat.tar', packed)
    else:
        archives = {
            'data_256': 'train_256_places365standard.tar',
            'val_256': 'val_256.tar',
        }
        for folder, archive in archives.items():
            tar(downloads / archive, files_below(root, folder))
    assert convert('places_lt', downloads, '--out', out, complete=sizes) == 0
    folders = {path.name for path in out.iterdir() if path.is_dir()}
    wanted = {'train', 'val'} if easy else {'data_256', 'val_256'}
    assert folders == {*wanted, 'Places_LT_open'}


@pytest.mark.slow
def test_inaturalist_archives(tmp_path, minis, convert, benchmark_of, capsys):
    root, written = minis('inaturalist2018')
    downloads, out = tmp_path / 'downloads', tmp_path / 'out'
    for split in ('train', 'val'):
        path = write_json(downloads, split, mini=True)
        tar(downloads / f'{path.name}.tar.gz', {path.name: path}, 'w:gz')
        path.rename(tmp_path / path.name)
    # A few images: thousands would take long.
    packed = {path: (root / path).read_bytes() for path in written['train'][:50]}
    tar(downloads / 'train_val2018.tar.gz', packed, 'w:gz')
    assert convert('inaturalist2018', downloads, '--out', out) == 1
    assert '8,094 of the 8,144 train images do not exist' in capsys.readouterr().out
    assert files_below(out, 'train_val2018') == packed
    content = (tmp_path / 'train2018.json').read_bytes()
    assert (out / 'train2018.json').read_bytes() == content
    dataset = benchmark_of('inaturalist2018').dataset(str(out), check_files=False)
    assert dataset.metainfo['classes'][:2] == ('Species 0', 'Species 1')


def test_interrupted_unpacking_goes_on(tmp_path, places, convert):
    root, sizes = places
    downloads, out = tmp_path / 'downloads', tmp_path / 'out'
    shutil.copytree(root, downloads, ignore=shutil.ignore_patterns('val_256'))
    packed = files_below(root, 'val_256')
    tar(downloads / 'val_256.tar', packed)
    whole, cut = sorted(packed)[:2]
    unfinished = out / '.val_256.partial'
    unfinished.mkdir(parents=True)
    whole_path = unfinished / Path(whole).name
    whole_path.write_bytes(packed[whole])
    written_at = whole_path.stat().st_mtime_ns
    (unfinished / Path(cut).name).write_bytes(packed[cut][:9])
    assert convert('places_lt', downloads, '--out', out, complete=sizes) == 0
    assert files_below(out, 'val_256') == packed
    assert (out / whole).stat().st_mtime_ns == written_at
    assert not unfinished.exists()


@pytest.mark.parametrize(
    ('damage', 'sentence'),
    [
        (lambda data: data[: len(data) // 2], "val_256.tar' is damaged"),
        (lambda data: b'<html>' * 999, "val_256.tar' is damaged"),
        (None, r"val_256.tar' has nothing below 'val_256'"),
        ('../evil.jpg', "has the member '../evil.jpg', outside of its folder"),
    ],
)
def test_bad_archives_make_nothing(tmp_path, places, convert, capsys, damage, sentence):
    root, sizes = places
    downloads, out = tmp_path / 'downloads', tmp_path / 'out'
    shutil.copytree(root, downloads, ignore=shutil.ignore_patterns('val_256'))
    archive = downloads / 'val_256.tar'
    if callable(damage):
        tar(archive, files_below(root, 'val_256'))
        archive.write_bytes(damage(archive.read_bytes()))
    else:
        tar(archive, {damage or 'other/a.jpg': b'a'})
    assert convert('places_lt', downloads, '--out', out, complete=sizes) == 1
    error = capsys.readouterr().err
    assert sentence in error and len(error.splitlines()) == 1
    assert not (out / 'val_256').exists()
    assert not list(tmp_path.rglob('evil*'))


@pytest.mark.parametrize('position', [-6, 9000])
def test_wrong_bytes_of_a_compressed_archive_are_noticed(
    tmp_path, load_tool, monkeypatch, position
):
    """In its check sum, or in contents that keep their size."""
    monkeypatch.syspath_prepend(TOOLS)
    unpack = load_tool('dataset_converters/file_placing').unpack
    # Random bytes are stored as they are.
    images = {f'a/{i}.jpg': np.random.default_rng(i).bytes(9999) for i in range(2)}
    archive = tar(tmp_path / 'a.tar.gz', images, 'w:gz')
    whole = archive.read_bytes()
    broken = bytearray(whole)
    broken[position] ^= 1
    archive.write_bytes(broken)
    with pytest.raises(ValueError, match="a.tar.gz' is damaged .*CRC"):
        unpack(str(archive), 'a', str(tmp_path / 'a'))
    assert list(tmp_path.iterdir()) == [archive]
    archive.write_bytes(whole)
    unpack(str(archive), 'a', str(tmp_path / 'a'))
    assert files_below(tmp_path, 'a') == images


def test_wrong_layouts_are_sentences(tmp_path, convert, capsys):
    downloads, out = tmp_path / 'downloads', tmp_path / 'out'
    (downloads / 'place365').mkdir(parents=True)
    assert convert('places_lt', downloads, '--out', out) == 1
    sentences = capsys.readouterr().err.splitlines()
    assert len(sentences) == 5  # images of two kinds, three lists
    assert sentences[0] == (
        f"There are no training images: '{downloads}' has 'place365', but none of "
        "'data_256' or 'train_256_places365standard.tar' or "
        "'places365_standard/train' or 'train' or 'places365standard_easyformat.tar' "
        "or 'train_256'; get them from http://places2.csail.mit.edu/download.html "
        '(small images, 256 * 256).'
    )
    assert 'lists of test images' in sentences[4] and 'drive.google' in sentences[4]
    assert not out.exists()
    assert convert('places_lt', tmp_path / 'nowhere') == 1
    assert "nowhere' is not a folder" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path, places, convert, capsys):
    root, sizes = places
    out, other = tmp_path / 'out', tmp_path / 'other'
    assert convert('places_lt', root, '--out', out, complete=sizes) == 0
    (other / 'data_256').mkdir(parents=True)
    before = snapshot(out)
    assert convert('places_lt', other, '--out', out, complete=sizes) == 1
    error = capsys.readouterr().err
    assert f"data_256' is a link to '{root}/data_256', not to '{other}" in error
    (other / 'data_256').rmdir()
    (other / 'Places_LT_val.txt').write_text('a.jpg 1\n')
    assert convert('places_lt', other, '--out', out, complete=sizes) == 1
    assert 'differs from' in capsys.readouterr().err
    assert snapshot(out) == before
    (out / 'val_256').unlink()
    (out / 'val_256').symlink_to(tmp_path / 'gone')
    assert convert('places_lt', root, '--out', out, complete=sizes) == 1
    assert f"'{tmp_path / 'gone'}', which does not exist" in capsys.readouterr().err
    assert (out / 'val_256').is_symlink()


def test_dry_run_writes_nothing(tmp_path, places, convert, capsys):
    root, _ = places
    out = tmp_path / 'out'
    assert convert('places_lt', root, '--out', out, '--dry-run') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"would link '{root}/data_256' to '{out}/data_256'"
    assert len(lines) == 7 and all(line.startswith('would ') for line in lines)
    assert not out.exists()


def test_copies_are_whole(tmp_path, places, convert):
    root, sizes = places
    out = tmp_path / 'out'
    arguments = ('places_lt', root, '--out', out, '--copy')
    assert convert(*arguments, complete=sizes) == 0
    assert not [path for path in out.rglob('*') if path.is_symlink()]
    assert files_below(out, '.') == files_below(root, '.')


def test_incomplete_sets_are_told(tmp_path, places, convert, capsys):
    root, sizes = places
    shutil.copytree(root, tmp_path / 'data')
    lines = (root / 'Places_LT_test.txt').read_text().splitlines()
    (tmp_path / 'data' / lines[3].split()[0]).unlink()
    # In place: the downloads are the data root, and its lists are the small ones.
    assert convert('places_lt', '--out', tmp_path / 'data') == 1
    log = capsys.readouterr().out
    assert table(log)['train images'] == ['367', '62,500']
    assert '367 instead of 62,500 (train images), 40 instead of 7,300' in log
    assert f'1 of the {sizes["test"]} test images do not exist' in log
    assert lines[3].split()[0] in log and 'is complete' not in log
    path = tmp_path / 'data/Places_LT_val.txt'
    path.write_text(path.read_text() + 'val_256/a.jpg 365\n')
    assert convert('places_lt', '--out', tmp_path / 'data') == 1
    log = capsys.readouterr().out
    assert f"line {sizes['val'] + 1} of '{path}'" in log
    assert table(log)['val images'] == ['unreadable', '7,300']


@pytest.mark.slow
def test_verify_lists_unreadable_images(tmp_path, places, convert, capsys):
    root, sizes = places
    data = tmp_path / 'data'
    shutil.copytree(root, data)
    arguments = ('places_lt', '--out', data, '--verify', '--jobs', 2)
    assert convert(*arguments, complete=sizes) == 0
    assert f'All {sum(sizes.values())} images are readable.' in capsys.readouterr().out
    assert (data / 'unreadable.txt').read_text() == ''
    paths = [data / p for p, _ in entries('places_lt', 'train', mini=True)[:4]]
    content = paths[0].read_bytes()
    for path, broken in zip(paths, (content[:-99], b'', b'no image', None)):
        path.unlink()
        if broken is not None:
            path.write_bytes(broken)
    assert convert(*arguments, complete=sizes) == 1
    found = (data / 'unreadable.txt').read_text().splitlines()
    named, causes = zip(*(line.split(': ', 1) for line in found))
    assert named == tuple(map(str, paths))
    assert 'truncated' in causes[0] and causes[1] == 'the file is empty'
    assert causes[2:] == ('no known image format', 'the file does not exist')
    assert "4 of 487 images are unreadable, see '" in capsys.readouterr().out


@pytest.mark.slow
def test_true_lists_are_counted(tmp_path, convert, capsys):
    """Lists of the true size, without the images."""
    for split in ('train', *OTHERS['places_lt']):
        write_list(tmp_path, 'places_lt', split)
    for folder in ('data_256', 'val_256', 'Places_LT_open'):
        (tmp_path / folder).mkdir()
    assert convert('places_lt', '--out', tmp_path) == 1
    log = capsys.readouterr().out
    numbers = table(log)
    assert len(numbers) == 7
    assert all(found == expected for found, expected in numbers.values())
    assert '62,500 of the 62,500 train images do not exist' in log
    assert 'instead of' not in log
    # Nobody has to have the images of unknown classes.
    (tmp_path / 'Places_LT_open').rmdir()
    assert convert('places_lt', '--out', tmp_path) == 1
    log = capsys.readouterr().out
    assert table(log)['open images'] == ['-', '6,600'] and 'open images do' not in log


@pytest.mark.slow
def test_script_as_users_type_it(tmp_path, places):
    root, _ = places
    command = [sys.executable, TOOLS / 'places_lt.py', root]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1  # a small set is not the benchmark
    assert '367 instead of 62,500' in result.stdout and not result.stderr
    assert (tmp_path / 'data/places_lt/Places_LT_test.txt').is_file()
