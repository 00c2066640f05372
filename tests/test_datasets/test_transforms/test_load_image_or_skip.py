# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Broken images on their own, in data sets, and in a training with workers."""

import copy
import io
import os
import re
import struct
import traceback
import zlib

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from ccsam_mm.datasets import ImageNetLT, LoadImageOrSkip, LongTailed


def encoded(suffix, size=(40, 50), seed=0):
    """A smooth image: noise would hide what a decoder makes up."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return cv2.imencode(suffix, cv2.resize(small, size[::-1]))[1].tobytes()


@pytest.fixture
def load(tmp_path):
    def make(content, suffix='.jpg', max_unreadable=1, **kwargs):
        (tmp_path / f'x{suffix}').write_bytes(content)
        transform = LoadImageOrSkip(max_unreadable=max_unreadable, **kwargs)
        return transform(dict(img_path=str(tmp_path / f'x{suffix}'), gt_label=1))

    return make


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp'])
@pytest.mark.parametrize('kwargs', [{}, dict(to_float32=True, color_type='grayscale')])
def test_a_sound_image_is_what_mmcv_loads(load, tmp_path, suffix, kwargs):
    results = load(encoded(suffix), suffix, **kwargs)
    expected = LoadImageFromFile(**kwargs)(dict(img_path=results['img_path']))
    np.testing.assert_array_equal(results['img'], expected['img'])
    assert results['img'].dtype == expected['img'].dtype
    for key in ('img_shape', 'ori_shape'):
        assert results[key] == expected[key] == (40, 50)
    assert results['gt_label'] == 1


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_a_truncated_image_is_skipped(load, suffix, share):
    content = encoded(suffix, size=(200, 250))
    assert load(content[: int(share * len(content))], suffix) is None


@pytest.mark.parametrize('content', [b'', b'<html>404</html>', b'\xff\xd8\xff\xd9'])
def test_no_image_is_skipped(load, content):
    assert load(content) is None


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_bytes_behind_the_image_are_harmless(load, suffix):
    content = encoded(suffix)
    results = load(content + b'\0' * 7, suffix)
    np.testing.assert_array_equal(results['img'], load(content, suffix)['img'])


def test_an_image_in_memory_passes():
    results = dict(img=np.zeros((2, 3, 3), dtype=np.uint8))
    assert LoadImageOrSkip()(results) is results


def test_a_missing_file_stops(tmp_path):
    load = LoadImageOrSkip(max_unreadable=100)
    with pytest.raises(FileNotFoundError, match="no image '.*gone.jpg': correct"):
        load(dict(img_path=str(tmp_path / 'gone.jpg')))


@pytest.mark.parametrize(
    'error', [PermissionError(13, 'Permission denied'), ConnectionError('reset')]
)
def test_a_file_that_can_not_be_fetched_stops(load, monkeypatch, error):
    """A storage that is away for a while would use up the limit."""

    def fail(path, backend_args):
        raise error

    monkeypatch.setattr('ccsam_mm.datasets.transforms.load_image_or_skip.get', fail)
    message = rf"x.jpg' could not be fetched \({type(error).__name__}: .*check perm"
    with pytest.raises(OSError, match=message) as caught:
        load(encoded('.jpg'))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', ['turbojpeg', 'no such decoder'])
def test_a_decoder_that_is_not_installed_is_refused(monkeypatch, name):
    monkeypatch.setattr('mmcv.image.io.TurboJPEG', None)
    with pytest.raises(ImportError, match=f"use imdecode_backend='{name}' .*: install"):
        LoadImageOrSkip(imdecode_backend=name)
    assert mmcv.image.io.imread_backend == 'cv2'


def test_a_decoder_that_fails_to_import_stops(load, monkeypatch):
    def fail(*args, **kwargs):
        raise ImportError('no decoder')

    monkeypatch.setattr('mmcv.imfrombytes', fail)
    with pytest.raises(ImportError, match='no decoder'):
        load(encoded('.jpg'))


def broken_files(folder, number):
    paths = [folder / f'{i}.jpg' for i in range(number)]
    for path in paths:
        path.write_bytes(encoded('.jpg')[:-100])
    return [str(path) for path in paths]


def test_different_files_count_to_the_limit(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr(
        'ccsam_mm.datasets.transforms.load_image_or_skip.print_log',
        lambda message, **kwargs: messages.append(message),
    )
    load = LoadImageOrSkip(max_unreadable=2)
    a, b, c = broken_files(tmp_path, 3)
    for path in (a, a, b, a, b):
        assert load(dict(img_path=path)) is None
    for message, path, number in zip(messages, (a, b), (1, 2)):
        assert message.startswith(f"Skipped the unreadable image '{path}' (")
        assert message.endswith(f'), number {number} of at most 2.')
    assert len(messages) == 2
    with pytest.raises(RuntimeError, match=r'2.jpg. is unreadable \(.*only 2 may be'):
        copy.deepcopy(load)(dict(img_path=c))


def test_none_is_skipped_in_tests(tmp_path):
    load = TRANSFORMS.build(dict(type='LoadImageOrSkip', max_unreadable=0))
    assert repr(load).startswith('LoadImageOrSkip(max_unreadable=0, ')
    with pytest.raises(RuntimeError, match='none may be: .*`--verify`') as error:
        load(dict(img_path=broken_files(tmp_path, 1)[0]))
    assert '\n' not in str(error.value)


COUNTS = dict(a=12, b=6, c=3)


@pytest.fixture
def folder(tmp_path):
    """Images in a folder per class; the first of each class is truncated."""
    lines = []
    for label, (name, count) in enumerate(COUNTS.items()):
        (tmp_path / 'train' / name).mkdir(parents=True)
        for i in range(count):
            content = encoded('.jpg', seed=100 * label + i)
            path = tmp_path / 'train' / name / f'{i}.jpg'
            path.write_bytes(content[:-100] if i == 0 else content)
            lines.append(f'train/{name}/{i}.jpg {label}\n')
    (tmp_path / 'ImageNet_LT_train.txt').write_text(''.join(lines))
    return tmp_path


def image_net(folder, **kwargs):
    pipeline = [
        dict(type='LoadImageOrSkip', max_unreadable=kwargs.pop('max_unreadable', 3)),
        dict(type='Resize', scale=(16, 16)),
        dict(type='PackInputs'),
    ]
    return dict(
        type='ImageNetLT',
        data_root=str(folder),
        classes=list(COUNTS),
        pipeline=pipeline,
        **kwargs,
    )


def label_of(item):
    return int(item['data_samples'].gt_label)


def test_replacement_is_of_the_same_class(folder):
    """Else the balance that a sampler makes would be lost."""
    config = image_net(folder)
    config.pop('type')
    dataset = LongTailed(ImageNetLT(**config), imbalance_ratio=None)
    np.random.seed(0)
    firsts = np.cumsum([0, *COUNTS.values()])[:-1]
    for label, first in enumerate(firsts):
        labels = [label_of(dataset[int(first)]) for _ in range(20)]
        # The one unreadable image may be drawn again, and then any other one is.
        assert np.mean(np.equal(labels, label)) > 0.5
    whole = [label_of(dataset[int(first) + 1]) for first in firsts]
    assert whole == [0, 1, 2]


def test_one_unreadable_image_of_a_class_is_replaced_by_another_class(folder):
    for i in (1, 2):
        (folder / 'train' / 'c' / f'{i}.jpg').write_bytes(b'')
    config = image_net(folder, max_unreadable=5)
    config.pop('type')
    dataset = ImageNetLT(**config)
    labels = {label_of(dataset[len(dataset) - 1]) for _ in range(10)}
    assert labels and labels <= {0, 1}


def test_test_mode_stops(folder):
    config = image_net(folder, test_mode=True, max_unreadable=0)
    config.pop('type')
    dataset = ImageNetLT(**config)
    with pytest.raises(RuntimeError, match="a/0.jpg' is unreadable"):
        dataset[0]


@pytest.mark.slow
def test_workers_of_all_epochs_share_the_count(folder):
    """MMPretrain's own data set; each epoch has new workers."""
    pipeline = [LoadImageOrSkip(max_unreadable=3), dict(type='PackInputs')]
    dataset = CustomDataset(data_root=str(folder / 'train'), pipeline=pipeline)
    loader = DataLoader(dataset, 7, num_workers=2, collate_fn=list)
    for _ in range(3):
        assert sum(len(batch) for batch in loader) == len(dataset)
    (folder / 'train' / 'a' / '5.jpg').write_bytes(b'')
    message = "(?s)/a/[05].jpg' is unreadable .*only 3"
    with pytest.raises(RuntimeError, match=message) as error:
        list(loader)
    traceback.clear_frames(error.tb)


def runner(folder, work_dir, max_unreadable, sampler, persistent):
    return Runner.from_cfg(
        Config(
            dict(
                model=dict(
                    type='ImageClassifier',
                    backbone=dict(type='CIFARResNet', depth=8, base_channels=4),
                    neck=dict(type='GlobalAveragePooling'),
                    head=dict(type='LinearClsHead', num_classes=3, in_channels=16),
                ),
                work_dir=str(work_dir),
                train_dataloader=dict(
                    batch_size=7,
                    num_workers=2,
                    persistent_workers=persistent,
                    worker_init_fn=dict(type='epoch_worker_init_fn'),
                    dataset=image_net(folder, max_unreadable=max_unreadable),
                    sampler=sampler,
                ),
                train_cfg=dict(by_epoch=True, max_epochs=2),
                optim_wrapper=dict(
                    type='CCSAMOptimWrapper',
                    optimizer=dict(type='SGD', lr=0.1),
                    perturb='head',
                ),
                default_scope='mmpretrain',
                default_hooks=dict(checkpoint=None),
                custom_hooks=[dict(type='ClassCountsHook')],
                experiment_name=f'{work_dir.name}',
            )
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'sampler, persistent',
    [
        (dict(type='DefaultSampler', shuffle=True), False),
        (dict(type='ClassBalancedSampler', seed=0), True),
    ],
)
def test_a_training_goes_on_up_to_the_limit(
    folder, tmp_path, sampler, persistent, monkeypatch
):
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    trained = runner(folder, tmp_path / 'enough', 3, sampler, persistent)
    trained.train()
    assert trained.iter == 6 and trained.epoch == 2
    log = next((tmp_path / 'enough').rglob('*.log')).read_text()
    warned = re.findall(r"Skipped the unreadable image '.*/(\w/\d+).jpg'", log)
    assert sorted(warned) == ['a/0', 'b/0', 'c/0']

    stopped = runner(folder, tmp_path / 'too_few', 2, sampler, persistent)
    message = 'only 2 may be: list all such files'
    with pytest.raises(RuntimeError, match=message) as error:
        stopped.train()
    # Or the workers would live until garbage is collected.
    traceback.clear_frames(error.tb)


# ------------------------------------------------ files that look like images
def progressive(image):
    """The same image as a progressive JPEG, with a thumbnail that has an end marker."""
    exif = Image.Exif()
    exif[0x010E] = 'description'
    thumbnail = io.BytesIO()
    Image.fromarray(image[:8, :8]).save(thumbnail, 'JPEG')
    file = io.BytesIO()
    raw = exif.tobytes() + thumbnail.getvalue()
    Image.fromarray(image).save(file, 'JPEG', progressive=True, exif=raw)
    return file.getvalue()


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('kind', ['baseline', 'progressive'])
@pytest.mark.parametrize('fill', [b'\0', b'\xff', b'text'])
def test_a_jpeg_whose_rest_is_filled_is_skipped(load, seed, kind, fill):
    content = encoded('.jpg', size=(200, 250), seed=seed)
    if kind == 'progressive':
        content = progressive(mmcv.imfrombytes(content))
    half = len(content) // 2
    filled = content[:half] + (fill * len(content))[: len(content) - half]
    assert load(filled) is None
    assert load(content)['img'].shape == (200, 250, 3)


def smooth(size=500, points=2, **kwargs):
    """An image whose missing data a decoder makes up in silence."""
    small = np.random.default_rng(0).integers(0, 256, (points, points, 3), np.uint8)
    file = io.BytesIO()
    image = Image.fromarray(cv2.resize(small, (size, size)))
    image.save(file, 'JPEG', **kwargs)
    return file.getvalue()


@pytest.mark.parametrize('marker', [b'', b'\xff\xd9'])
@pytest.mark.parametrize('quality', [30, 75, 100])
@pytest.mark.parametrize('points', [2, 5, 20, 100])
def test_zeros_in_place_of_data_are_noticed(load, marker, quality, points):
    content = smooth(quality=quality, points=points)
    half = len(content) // 2
    assert load(content) is not None
    assert load(content[:half] + bytes(half) + marker) is None
    assert load(content[:half] + bytes(512) + content[half + 512 :]) is None


@pytest.mark.parametrize('color', [(0, 0, 0), (255, 255, 255), (9, 99, 200)])
@pytest.mark.parametrize('kwargs', [{}, dict(optimize=True), dict(progressive=True)])
def test_even_images_are_no_damage(load, color, kwargs):
    """With optimized tables, their data are long runs of zeros."""
    file = io.BytesIO()
    image = Image.new('RGB', (1500, 1500), color)
    image.paste((9, 8, 7), (0, 0, 700, 700))
    image.save(file, 'JPEG', **kwargs)
    content = file.getvalue()
    assert load(content) is not None and load(content + bytes(999)) is not None
    gray = io.BytesIO()
    image.convert('L').save(gray, 'JPEG', **kwargs)
    assert load(gray.getvalue()) is not None


def png_header(width, height, depth=8, color=2):
    """A PNG file that says how large it is, and has next to no data."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', crc)

    head = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, 0)
    parts = (b'IHDR', head), (b'IDAT', zlib.compress(b'')), (b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*part) for part in parts)


@pytest.mark.parametrize('size', [(30000, 30000), (13378, 13378), (2**31 - 1, 1)])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_a_bomb_is_refused_by_its_header(load, monkeypatch, size, backend):
    monkeypatch.setattr('mmcv.imfrombytes', None)  # nothing comes to decoding
    message = rf'{size[0] * size[1]:,} pixels are more than max_pixels=178,956,970'
    with pytest.raises(RuntimeError, match=message):
        load(png_header(*size), '.png', max_unreadable=0, imdecode_backend=backend)


def test_the_limit_of_pixels_can_be_set(load):
    content = encoded('.png')  # 40 x 50
    assert load(content, '.png', max_pixels=2000)['img_shape'] == (40, 50)
    assert load(content, '.png', max_pixels=None)['img_shape'] == (40, 50)
    assert load(content, '.png', max_pixels=1999) is None
    assert load(encoded('.jpg'), max_pixels=1999) is None
    assert load(encoded('.webp'), '.webp', max_pixels=1999) is None
    with pytest.raises(ValueError, match='max_pixels=0: set it to 1 or more'):
        LoadImageOrSkip(max_pixels=0)


@pytest.mark.parametrize('color_type', ['color', 'grayscale', 'unchanged'])
@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize('channels', [1, 3])
def test_16_bits_are_the_same_with_both_decoders(load, color_type, suffix, channels):
    """The upper eight bits, as OpenCV takes them; MMCV's Pillow made them white."""
    grey = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    image = grey if channels == 1 else np.repeat(grey[..., None], 3, 2)
    content = cv2.imencode(suffix, image)[1].tobytes()
    kwargs = dict(suffix=suffix, color_type=color_type)
    found = load(content, imdecode_backend='pillow', **kwargs)['img']
    if color_type == 'unchanged':
        expected = image if channels == 1 else (image >> 8).astype(np.uint8)
        np.testing.assert_array_equal(found, expected)
        return
    expected = load(content, imdecode_backend='cv2', **kwargs)['img']
    assert found.dtype == np.uint8 and found.shape == expected.shape
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=1)


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('dtype, word', [(np.float32, 'floats'), (np.int32, '32 bits')])
def test_pixels_without_a_range_are_refused(load, backend, dtype, word):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), 1, dtype)).save(file, 'TIFF')
    with pytest.raises(RuntimeError, match=f'pixels of {word} have no range: convert'):
        load(file.getvalue(), '.tif', max_unreadable=0, imdecode_backend=backend)


def test_named_pipes_and_devices_stop(tmp_path):
    os.mkfifo(tmp_path / 'a.jpg')
    load = LoadImageOrSkip(max_unreadable=100)
    for path, kind in ((tmp_path / 'a.jpg', 'a named pipe'), ('/dev/zero', 'a device')):
        with pytest.raises(
            OSError, match=f"image '{path}' is {kind}, not a regular file"
        ):
            load(dict(img_path=str(path)))
