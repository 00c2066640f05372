# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Archives that nobody should have made: each ends in one sentence, or does no harm."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.fixture
def placing(load_tool, monkeypatch):
    monkeypatch.syspath_prepend(REPO / 'tools/dataset_converters')
    return load_tool('dataset_converters/file_placing')


def packed(*members, mode='w', **kwargs):
    """An archive of names with contents, or of headers; its bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, **kwargs) as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if content else None)
    return file.getvalue()


def header(name='a/x', kind=tarfile.REGTYPE, size=0, link=''):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def with_pax(path):
    info = header()
    info.pax_headers = dict(path=path)
    return info


def nested(depth):
    """An archive in an archive and so on."""
    content = packed(('a/x.jpg', b'x'))
    for _ in range(depth):
        content = packed(('a/x.tar', content))
    return content


def with_size(size):
    """A header with a size that tarfile would not write."""
    block = bytearray(header().tobuf())
    block[124:136] = size
    block[148:156] = b' ' * 8
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block)


def long_names(number):
    """Headers that each say that the next one has a long name."""
    one = header('././@LongLink', tarfile.GNUTYPE_LONGNAME, 2).tobuf()
    return (one + b'x\0'.ljust(512, b'\0')) * number


def huge_header(kind):
    """A header with a gigabyte of text, in a few kilobytes."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode='wb', compresslevel=1) as compressed:
        compressed.write(header('x', kind, 1 << 30).tobuf())
        compressed.write(bytes(8 << 20))
    return file.getvalue()


def garbled(content, compress):
    content = bytearray(compress(content))
    content[len(content) // 2] ^= 255
    return bytes(content)


GOOD = packed(*((f'a/{i}.jpg', os.urandom(999)) for i in range(9)))
ENDLESS = b'\x80' + bytes(3) + (1 << 62).to_bytes(8, 'big')
REFUSED = {
    'path above': (packed(('../x', b'x')), 'outside of its folder'),
    'path above, later': (packed(('a/../../x', b'x')), 'outside of its folder'),
    'absolute path': (packed(('/tmp/x', b'x')), 'outside of its folder'),
    'link above': (packed((header('../l', tarfile.SYMTYPE, 0, 'x'), None)), 'outside'),
    'path above, nested': (
        packed(('a/x.tar', packed(('../../x', b'x')))),
        'outside of its folder',
    ),
    'deep path': (packed(('a/' * 3000 + 'x', b'x')), 'too deep'),
    'long path': (packed(('a/' + 'x' * 5000, b'x')), 'too long'),
    'null byte': (packed((with_pax('a/x\0y'), None)), 'too deep or invalid'),
    'nested 4 times': (nested(4), 'archives inside archives'),
    'nested 40 times': (nested(40), 'archives inside archives'),
    'bomb of gzip': (packed(('a/x', bytes(99 << 20)), mode='w:gz'), '200 times'),
    'bomb of bz2': (packed(('a/x', bytes(99 << 20)), mode='w:bz2'), '200 times'),
    'bomb of xz': (packed(('a/x', bytes(99 << 20)), mode='w:xz'), '200 times'),
    'bomb of many files': (
        packed(
            *((f'b/{i}', bytes(1 << 20)) for i in range(80)),
            ('a/x', b'x'),
            mode='w:gz',
        ),
        '200 times',
    ),
    'bomb in an archive': (
        packed(('a/x.tar', packed(('x', bytes(99 << 20)), mode='w:gz'))),
        '200 times',
    ),
    'file and folder': (
        packed(('a/x', b'x'), ('a/x/y', b'y')),
        'both a file and a folder',
    ),
    'folder and file': (
        packed(('a/x/y', b'x'), ('a/x', b'y')),
        'both a file and a folder',
    ),
    'endless size': (with_size(ENDLESS) + bytes(1024), '200 times'),
    'negative size': (with_size(b'\xff' * 11 + b'\0') + bytes(1024), 'damaged'),
    'size of no digits': (with_size(b'99999999999\0') + bytes(1024), 'damaged'),
    'headers of headers': (long_names(2000) + packed(('a/x', b'x')), 'damaged'),
    'huge name': (huge_header(tarfile.GNUTYPE_LONGNAME), 'damaged'),
    'huge extended header': (huge_header(tarfile.XHDTYPE), 'damaged'),
    'wrong header inside': (GOOD[:4608] + b'\1' * 512 + GOOD[5120:], 'damaged'),
    'cut in a header': (GOOD[:4800], 'damaged'),
    'cut in a file': (GOOD[:5200], 'damaged'),
    'no archive': (b'<html>' * 999, 'damaged'),
    'empty file': (b'', 'damaged'),
    'wrong bytes of gzip': (garbled(GOOD, gzip.compress), 'damaged'),
    'wrong bytes of bz2': (garbled(GOOD, bz2.compress), 'damaged'),
    'wrong bytes of xz': (garbled(GOOD, lzma.compress), 'damaged'),
    'nothing below': (packed(('b/x', b'x')), 'nothing below'),
    'links alone': (
        packed((header('a/x', tarfile.SYMTYPE, 0, '/etc/passwd'), None)),
        'nothing below',
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_hostile_archives_are_refused(tmp_path, placing, name):
    content, words = REFUSED[name]
    archive = tmp_path / 'in/a.tar'
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=words) as error:
        placing.unpack(str(archive), 'a', str(tmp_path / 'out/a'))
    message = str(error.value)
    assert 'a.tar' in message or 'out/a' in message
    assert len(message) < 500 and len(message.splitlines()) == 1
    assert not (tmp_path / 'out/a').exists() and not (tmp_path / 'x').exists()
    written = [p.stat().st_size for p in tmp_path.glob('out/.a.partial/**/*')]
    assert sum(written) < 10 << 20


def test_links_and_devices_are_left_out_aloud(tmp_path, placing, capsys):
    """Through a link, a later file would be written anywhere."""
    archive = tmp_path / 'a.tar'
    target = tmp_path / 'elsewhere'
    target.mkdir()
    kinds = dict(
        link=header('a/link', tarfile.SYMTYPE, 0, str(target)),
        hard=header('a/hard', tarfile.LNKTYPE, 0, '/etc/passwd'),
        pipe=header('a/pipe', tarfile.FIFOTYPE),
        device=header('a/zero', tarfile.CHRTYPE),
    )
    members = [(info, None) for info in kinds.values()]
    archive.write_bytes(packed(*members, ('a/link/x', b'x'), ('a/y', b'y')))
    placing.unpack(str(archive), 'a', str(tmp_path / 'a'))
    assert (tmp_path / 'a/link/x').read_bytes() == b'x'
    assert not list(target.iterdir()) and not (tmp_path / 'a/link').is_symlink()
    assert "left out 4 links or devices of '" in capsys.readouterr().out


def test_a_full_disk_is_told_before(tmp_path, placing, monkeypatch):
    archive = tmp_path / 'in.tar'
    archive.write_bytes(packed(('a/x', bytes(9999)), ('b/y', bytes(99999))))
    monkeypatch.setattr(placing, 'space_left', lambda folder: 9000)
    with pytest.raises(ValueError, match='needs .* GB more, but its disk has only'):
        placing.unpack(str(archive), 'a', str(tmp_path / 'a'))
    assert list(tmp_path.iterdir()) == [archive]
    # What is not below the prefix needs no room.
    monkeypatch.setattr(placing, 'space_left', lambda folder: 10000)
    placing.unpack(str(archive), 'a', str(tmp_path / 'a'))
    # Sizes in a compressed archive are known one by one.
    archive.write_bytes(
        packed(('a/x', b'x' * 9999), ('a/y', b'y' * 10001), mode='w:gz')
    )
    with pytest.raises(ValueError, match='make room'):
        placing.unpack(str(archive), 'a', str(tmp_path / 'b'))
    assert (tmp_path / '.b.partial/x').stat().st_size == 9999


@pytest.mark.parametrize('place', ['archive', 'inside'])
def test_named_pipes_are_not_opened(tmp_path, placing, place):
    (tmp_path / 'in').mkdir()
    os.mkfifo(tmp_path / 'in/pipe')
    with pytest.raises(ValueError, match="pipe' is a named pipe"):
        if place == 'archive':
            placing.unpack(str(tmp_path / 'in/pipe'), '', str(tmp_path / 'a'))
        else:
            placing.copy(str(tmp_path / 'in'), str(tmp_path / 'a'))


def test_a_link_to_its_own_folder_is_not_copied_for_ever(tmp_path, placing):
    (tmp_path / 'in/a').mkdir(parents=True)
    (tmp_path / 'in/a/x').write_bytes(b'x')
    (tmp_path / 'in/b').symlink_to(tmp_path / 'in/a')
    placing.copy(str(tmp_path / 'in'), str(tmp_path / 'copied'))
    assert (tmp_path / 'copied/b/x').read_bytes() == b'x'
    (tmp_path / 'in/a/loop').symlink_to(tmp_path / 'in')
    with pytest.raises(
        ValueError, match="loop' is a link to a folder that contains it"
    ):
        placing.copy(str(tmp_path / 'in'), str(tmp_path / 'again'))
