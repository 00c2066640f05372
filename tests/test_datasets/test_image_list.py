# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Readers of lists, against a naive line-by-line oracle."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsam_mm.datasets.image_list import ImageList
from ccsam_mm.datasets.json_list import read_json_list
from ccsam_mm.datasets.text_list import read_class_names, read_text_list

NAMES = st.text(st.characters(codec='utf-8', exclude_categories=('C', 'Z')), min_size=1)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(' '.join)
# A folder is no image, see test_what_names_no_file_is_refused.
PATHS = PATHS.filter(lambda path: os.path.basename(path) not in ('', '.', '..'))


@given(
    entries=st.lists(st.tuples(PATHS, st.integers(-2, 10**6))),
    blanks=st.lists(st.integers(0, 20), max_size=3),
    separator=st.sampled_from([' ', '\t', '   ']),
    newline=st.sampled_from(['\n', '\r\n']),
)
def test_reads_what_was_written(tmp_path_factory, entries, blanks, separator, newline):
    lines = [f'{path}{separator}{label}' for path, label in entries]
    for position in blanks:
        lines.insert(position, '  ')
    file = tmp_path_factory.mktemp('list') / 'list.txt'
    file.write_bytes(newline.join(lines).encode())
    images = read_text_list(str(file))
    assert images.paths == [path for path, _ in entries]
    assert images.labels.tolist() == [label for _, label in entries]
    for number, path in zip(images.lines, images.paths):
        assert lines[number - 1].startswith(path)


@pytest.mark.parametrize(
    'line', ['a.jpg', 'a.jpg 1.0', 'a.jpg,1', '7', 'a.jpg one', f'a.jpg {10**30}']
)
def test_malformed_line(tmp_path, line):
    file = tmp_path / 'list.txt'
    file.write_text(f'a.jpg 0\n\n{line}\nb.jpg 1\n')
    with pytest.raises(ValueError, match=r"^line 3 of '.*list.txt' is .*: correct"):
        read_text_list(str(file))


def test_byte_order_mark_is_no_part_of_the_first_path(tmp_path):
    file = tmp_path / 'list.txt'
    file.write_text('a.jpg 0\n', encoding='utf-8-sig')
    assert read_text_list(str(file)).paths == ['a.jpg']


@pytest.mark.parametrize('encoding', ['latin-1', 'utf-16'])
def test_another_encoding_is_named_with_the_file(tmp_path, encoding):
    file = tmp_path / 'list.txt'
    file.write_text('caf\xe9.jpg 0\n', encoding=encoding)
    with pytest.raises(ValueError, match=r"^'.*list.txt' is not text in UTF-8 \("):
        read_text_list(str(file))


def json_file(tmp_path, **changes):
    content = dict(
        images=[dict(id=7, file_name='b.jpg'), dict(id=3, file_name='a.jpg')],
        annotations=[dict(image_id=3, category_id=1), dict(image_id=7, category_id=0)],
        categories=[dict(id=1, name='wren'), dict(id=0, name='tench')],
    )
    content.update(changes)
    file = tmp_path / 'list.json'
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return str(file)


def test_json_in_any_order(tmp_path):
    images = read_json_list(json_file(tmp_path))
    assert images.paths == ['b.jpg', 'a.jpg']
    assert images.labels.tolist() == [0, 1]
    assert images.categories == ['tench', 'wren']
    assert images.place(1) == f"images[1] of '{images.file}'"


@pytest.mark.parametrize(
    'changes',
    [
        dict(images=None),
        dict(images=[dict(file_name='b.jpg')]),
        dict(images=[dict(id=[7], file_name='b.jpg')]),
        dict(annotations=[dict(image_id=3, category_id=1.5)]),
        dict(annotations=[dict(image_id=3, category_id='1')]),
        dict(annotations=[dict(image_id=3, category_id=None)]),
        dict(annotations=[dict(image_id=3)]),
        dict(categories=[dict(id=1, name='wren')]),
        dict(annotations=5),
    ],
)
def test_json_of_another_kind(tmp_path, changes):
    with pytest.raises(ValueError, match='lacks what iNaturalist.*official'):
        read_json_list(json_file(tmp_path, **changes))


def test_json_cut_off_or_in_another_encoding(tmp_path):
    file = tmp_path / 'list.json'
    for content in (b'{"images": [', b'{"images": "\xff"}'):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="^'.*list.json' lacks what iNaturalist"):
            read_json_list(str(file))


def test_json_without_labels_as_of_a_test_split(tmp_path):
    file = json_file(tmp_path, annotations=[dict(image_id=7, category_id=0)])
    with pytest.raises(ValueError, match=r"images\[1\] of '.*', 'a.jpg', has no anno"):
        read_json_list(file)


@given(
    paths=st.lists(st.sampled_from('abcdefgh'), max_size=6),
    others=st.lists(st.sampled_from('abcdefgh'), max_size=6),
)
def test_duplicates_and_overlap(paths, others):
    """Complaints where a double loop finds a pair, with the lines of that pair."""
    images = ImageList('val', paths, [0] * len(paths), range(10, 10 + len(paths)))
    training = ImageList('train', others, [0] * len(others), range(1, 1 + len(others)))
    pairs = [(i, j) for j in range(len(paths)) for i in range(j)]
    equal = [(i, j) for i, j in pairs if paths[i] == paths[j]]
    if equal:
        i, j = min(equal, key=lambda pair: (pair[1], pair[0]))
        with pytest.raises(ValueError, match=f'^line {10 + j} of .* line {10 + i} of'):
            images.check_duplicates()
    else:
        images.check_duplicates()
    pairs = [
        (i, j) for i, a in enumerate(paths) for j, b in enumerate(others) if a == b
    ]
    if pairs:
        i, j = pairs[0]
        with pytest.raises(ValueError, match=f'^line {10 + i} of .*line {1 + j} of'):
            images.check_overlap(training)
    else:
        images.check_overlap(training)


def test_labels_and_counts():
    images = ImageList('list', 'abcd', [0, 2, 2, 1], [1, 2, 3, 5])
    assert images.count_classes(3) == [1, 1, 2]
    with pytest.raises(
        ValueError, match=r"^line 2 of 'list' gives 'b' the label 2.*1:"
    ):
        images.count_classes(2)
    with pytest.raises(ValueError, match=r'no image of class 3 \(2 of 5.*number 5\)'):
        images.count_classes(5)
    images.categories = ['a', 'b']
    with pytest.raises(ValueError, match='has 2 `categories`, but .* 3 classes: '):
        images.count_classes(3)
    with pytest.raises(ValueError, match='label -1, but labels must be in 0..4'):
        ImageList('list', 'a', [-1], [1]).check_labels(5)


# ------------------------------------------------------------- what is no label or path
@pytest.mark.parametrize(
    'label', ['0_1', '+1', '0x1', '1e0', '١', '１', '1.', '--1', '9' * 5000, '-', '²']
)
def test_other_spellings_of_a_number_are_no_labels(tmp_path, label):
    file = tmp_path / 'list.txt'
    file.write_text(f'b.jpg 01\na.jpg {label}\n', encoding='utf-8')
    with pytest.raises(
        ValueError, match=r"^line 2 of '.*list.txt' is 'a.jpg "
    ) as error:
        read_text_list(str(file))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    'path', ['a\0.jpg', 'a.jpg 0\rb.jpg', 'a/', 'a/..', '.', '\x1b']
)
def test_what_names_no_file_is_refused(tmp_path, path):
    file = tmp_path / 'list.txt'
    file.write_bytes(f'{path} 0\n'.encode())
    with pytest.raises(ValueError, match="^line 1 of '.*list.txt' is .*: correct"):
        read_text_list(str(file))


def test_long_lines_are_cut_in_messages(tmp_path):
    file = tmp_path / 'list.txt'
    file.write_text('x' * 10**6)
    with pytest.raises(ValueError, match=r'xxx\.\.\.xxx') as error:
        read_text_list(str(file))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize('read', [read_text_list, read_json_list, read_class_names])
def test_only_regular_files_are_read(tmp_path, read):
    """A named pipe would hang, and a device never end."""
    os.mkfifo(tmp_path / 'pipe')
    for path, kind in ((tmp_path / 'pipe', 'a named pipe'), ('/dev/zero', 'a device')):
        with pytest.raises(ValueError, match=f"'{path}' is {kind}: "):
            read(str(path))
    with pytest.raises(ValueError, match='is a folder: '):
        read(str(tmp_path))


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_names_have_no_blanks_around_them(tmp_path, newline):
    file = tmp_path / 'names.txt'
    lines = ['tench ', '', '\tgreat white shark', '  ', '']
    file.write_bytes(newline.join(lines).encode('utf-8-sig'))
    assert read_class_names(str(file)) == ['tench', 'great white shark']
    file.write_text('tench\nwren\ntench \n')
    with pytest.raises(ValueError, match="line 3 of .*'tench' again, after line 1"):
        read_class_names(str(file))
    file.write_text('\n \n')
    with pytest.raises(ValueError, match='names no class'):
        read_class_names(str(file))
    with pytest.raises(FileNotFoundError, match="no file '.*gone'.*`classes`"):
        read_class_names(str(tmp_path / 'gone'))


def one(part, **changes):
    """A whole content but for the first entry of a part."""
    entries = dict(
        images=[dict(id=7, file_name='b.jpg'), dict(id=3, file_name='a.jpg')],
        annotations=[dict(image_id=3, category_id=1), dict(image_id=7, category_id=0)],
        categories=[dict(id=0, name='tench'), dict(id=1, name='wren')],
    )[part]
    entries[0] = {**entries[0], **changes}
    return {part: entries}


@pytest.mark.parametrize(
    'changes, place',
    [
        (one('images', id=3), r'images\[1\] gives `id` 3 .*images\[0\]'),
        (one('images', id=True), r'images\[0\] has the `id` True'),
        (one('images', id=7.0), r'images\[0\] has the `id` 7.0'),
        (one('images', file_name=None), r'images\[0\] has the `file_name` None'),
        (one('images', file_name=['b']), r'images\[0\] has the `file_name`'),
        (one('images', file_name=''), r'images\[0\] has the `file_name`'),
        (one('images', file_name='a\0'), r'images\[0\] has the `file_name`'),
        (one('images', file_name='\ud800'), r'images\[0\] has the `file_name`'),
        (dict(images=[5]), r'images\[0\] is 5, not an object'),
        (dict(images=dict(a=1)), '`images` is .*, not a list'),
        (one('annotations', image_id=7), r'annotations\[1\] gives .* 0, after 1 in'),
        (one('annotations', category_id=True), r'annotations\[0\] .* True'),
        (one('annotations', category_id=1.0), r'annotations\[0\] .* 1.0'),
        (one('annotations', category_id=float('nan')), r'annotations\[0\] .* nan'),
        (one('annotations', category_id=10**30), r'annotations\[0\] has'),
        (one('annotations', image_id=[3]), r'annotations\[0\] has the `image_id` '),
        (one('annotations', image_id=False), r'annotations\[0\] has the `image_id` '),
        (dict(annotations=[None]), r'annotations\[0\] is None, not an object'),
        (dict(annotations=None), '`annotations` is missing, not a list'),
        (one('categories', id=1), r'categories\[1\] gives .* after .tench. in'),
        (one('categories', id=5), 'have no `id` 0'),
        (one('categories', id=False), r'categories\[0\] has the `id` False'),
        (one('categories', name=None), r'categories\[0\] has the `name` None'),
        (one('categories', name=['a']), r'categories\[0\] has the `name`'),
    ],
)
def test_json_entries_are_named(tmp_path, changes, place):
    with pytest.raises(ValueError, match=rf"'.*list.json' lacks .*{place}") as error:
        read_json_list(json_file(tmp_path, **changes))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    'content, cause',
    [
        (b'[' * 10**6, 'nested too deeply'),
        (b'{"a":' * 10**5, 'nested too deeply'),
        (b'[]', 'it is not an object, but a list'),
        (b'', 'it is not JSON'),
        (b'null', 'it is not an object, but a NoneType'),
        (b'{"images": ' + b'9' * 5000 + b'}', 'lacks'),
        (b'x' * 10**6, 'it is not JSON'),
    ],
)
def test_json_of_another_form(tmp_path, content, cause):
    file = tmp_path / 'list.json'
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"'.*list.json' .*{cause}") as error:
        read_json_list(str(file))
    assert len(str(error.value)) < 500


def test_json_that_repeats_itself_is_read(tmp_path):
    """The same label twice for an image is no contradiction."""
    annotations = [dict(image_id=3, category_id=1), dict(image_id=7, category_id=0)]
    images = read_json_list(json_file(tmp_path, annotations=annotations * 2))
    assert images.labels.tolist() == [0, 1]
