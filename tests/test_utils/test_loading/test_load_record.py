# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What stage 2 is started from: a frozen part must be filled completely."""

import copy
import logging

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import ccsam_mm  # noqa: F401
from ccsam_mm.utils.loading.load_record import LoadRecord, extra_layers


def model_of(kind='DecoupledClassifier', depth=14, num_classes=3, **changes):
    backbone = dict(type='CIFARResNet', depth=depth, **changes)
    return MODELS.build(
        dict(
            type=kind,
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=num_classes, in_channels=64),
        )
    )


def save(tmp_path, state_dict):
    path = str(tmp_path / 'a.pth')
    torch.save(dict(state_dict=state_dict), path)
    return path


def weights_of(**changes):
    return model_of('ImageClassifier', **changes).state_dict()


def loss_of(model):
    samples = [DataSample().set_gt_label(i) for i in range(3)]
    return model.train().loss(torch.randn(3, 3, 32, 32), samples)


def renamed(old, new):
    return {name.replace(old, new): w for name, w in weights_of().items()}


WRONG = dict(
    shallower=(
        lambda: weights_of(depth=8),
        r'35 of 65 names.*layer1\.1\.conv1\.weight',
    ),
    deeper=(lambda: weights_of(depth=20), 'layers that the frozen part'),
    naming=(
        lambda: renamed('backbone.', ''),
        r"0 of \d+ names.*'backbone.conv1.weight', and it holds 'conv1.weight'",
    ),
    prefix=(lambda: renamed('backbone.', 'encoder.backbone.'), r'fills 0 of \d+'),
    foreign=(lambda: dict(x=torch.ones(1)), r"fills 0 of \d+.*holds 'x'"),
    nothing=(dict, r'fills 0 of \d+ names'),
    head=(
        lambda: {k: v for k, v in weights_of().items() if 'head' in k},
        r'fills 0 of \d+',
    ),
    one_lacks=(
        lambda: {k: v for k, v in weights_of().items() if 'layer2.0.bn1.b' not in k},
        r"missing one is 'backbone\.layer2\.0\.bn1\.bias'",
    ),
    no_tensor=(
        lambda: dict(weights_of(), **{'backbone.conv1.weight': 3}),
        r"missing one is 'backbone\.conv1\.weight' \(expected torch.Tensor",
    ),
    statistics=(
        lambda: {k: v for k, v in weights_of().items() if 'running_var' not in k},
        r"missing one is 'backbone\.bn1\.running_var'",
    ),
    size=(
        lambda: dict(weights_of(), **{'backbone.bn1.bias': torch.ones(7)}),
        r"bn1\.bias' \(saved with size \[7\], here it is \[16\]\)",
    ),
    nan=(
        lambda: {k: v * float('nan') for k, v in weights_of().items()},
        'not finite: load a checkpoint from before',
    ),
)


@pytest.mark.parametrize('kind', WRONG)
def test_wrong_checkpoint_is_refused_before_the_first_step(tmp_path, kind):
    make, message = WRONG[kind]
    model = model_of()
    load_checkpoint(model, save(tmp_path, make()))
    with pytest.raises(RuntimeError, match=message) as error:
        loss_of(model)
    assert len(str(error.value).splitlines()) == 1


def test_other_heads_and_old_counts_are_no_matter(tmp_path):
    weights = weights_of(num_classes=5)
    weights = {k: v for k, v in weights.items() if 'num_batches' not in k}
    model = model_of()
    load_checkpoint(model, save(tmp_path, weights))
    assert loss_of(model)['loss'].isfinite()


def test_wrapped_names_are_unwrapped(tmp_path):
    model = model_of()
    weights = {f'module.{name}': w for name, w in weights_of().items()}
    load_checkpoint(model, save(tmp_path, weights))
    loss_of(model)


def test_frozen_part_may_come_piece_by_piece(tmp_path):
    """From a pretrained backbone of its own, and then a head."""
    weights = weights_of()
    path = save(tmp_path, {k[9:]: v for k, v in weights.items() if 'backbone' in k})
    model = model_of(init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    loss_of(copy.deepcopy(model))
    head = {k: v for k, v in weights.items() if 'head' in k}
    load_checkpoint(model, save(tmp_path, head))
    loss_of(model)
    # The same with names that the backbone does not know.
    path = save(tmp_path, weights)
    model = model_of(init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    with pytest.raises(RuntimeError, match=r'fills 0 of \d+'):
        loss_of(model)


def test_nothing_loaded_is_a_warning(caplog, monkeypatch):
    said = []
    monkeypatch.setattr(
        'ccsam_mm.models.classifiers.decoupled_classifier.print_log',
        lambda message, **options: said.append((message, options['level'])),
    )
    model = model_of()
    for _ in range(2):
        loss_of(model)
    ((message, level),) = said
    assert level == logging.WARNING and 'Set load_from' in message


def test_copies_and_torch_itself_are_watched():
    model = copy.deepcopy(model_of())
    record = LoadRecord(model)
    model.load_state_dict(weights_of())
    assert not record.missing(model)
    loss_of(copy.deepcopy(model))


def test_layers_beyond_the_model():
    model = model_of('ImageClassifier')
    names = ['backbone.layer1.7.conv1.weight', 'backbone.top.weight', 'other.weight']
    names += ['head.loss_module.weight', 'neck.fc.weight', 'backbone.mask']
    assert extra_layers(model, names) == [names[0], names[1], names[4]]
    assert extra_layers(model, names, in_sequences=True) == [names[0]]
