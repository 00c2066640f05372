# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Thirteen kinds of damage to a checkpoint."""

import io
import os
import pickle
import zipfile

import torch


class Touch:
    """Runs a command when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def empty(path):
    path.write_bytes(b'')


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_early(path):
    path.write_bytes(path.read_bytes()[:100])


def text(path):
    path.write_text('<html><body>404: moved</body></html>' * 9)


def pickled_list(path):
    path.write_bytes(pickle.dumps([1, 2, 3]))


def saved_list(path):
    torch.save([torch.ones(2)], path)


def changed(change):
    def damage(path):
        content = torch.load(path)
        change(content, path)
        torch.save(content, path)

    return damage


@changed
def no_meta(content, path):
    del content['meta']


@changed
def weights_only(content, path):
    for key in ('optimizer', 'message_hub', 'param_schedulers'):
        content.pop(key, None)


@changed
def not_finite(content, path):
    for weight in content['state_dict'].values():
        weight.mul_(float('nan'))


@changed
def evil(content, path):
    content['message_hub'] = Touch(path.parent / 'pwned')


def directory(path):
    path.unlink()
    path.mkdir()


def missing_record(path):
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, 'w') as new:
        for name in old.namelist():
            if not name.endswith('/data/1'):
                new.writestr(name, old.read(name))
    path.write_bytes(out.getvalue())


def flipped_bit(path):
    """In the middle of a weight, where PyTorch checks no checksum."""
    with zipfile.ZipFile(path) as file:
        weight = next(n for n in file.namelist() if n.endswith('/data/0'))
        raw = file.read(weight)
    content = bytearray(path.read_bytes())
    content[content.index(raw) + len(raw) // 2] ^= 1
    path.write_bytes(content)


# How a training that resumes from it, or a stage 2 that loads it, tells why not.
DAMAGED = dict(
    empty=(empty, 'the file is empty'),
    cut=(cut, 'its end is missing'),
    cut_early=(cut_early, 'truncated'),
    text=(text, 'not a file of torch.save'),
    pickled_list=(pickled_list, 'not a file of torch.save'),
    saved_list=(saved_list, 'it holds a list'),
    no_meta=(no_meta, "holds no 'meta'"),
    weights_only=(weights_only, "holds no 'message_hub'"),
    not_finite=(not_finite, 'not finite'),
    evil=(evil, 'is refused.*system'),
    directory=(directory, 'is a directory'),
    missing_record=(missing_record, 'file not found'),
    flipped_bit=(flipped_bit, 'checksum of its part .*/data/0 is wrong'),
)
# These hold weights, which is all that stage 2 needs.
LOADABLE = ('no_meta', 'weights_only')
