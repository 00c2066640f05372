# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from mmpretrain.registry import MODELS

from ccsam_mm.evaluation.open_set import FeatureRecorder

NET = dict(
    type='ImageClassifier',
    backbone=dict(type='CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
)
LINEAR = dict(type='LinearClsHead', num_classes=5, in_channels=64)


def build(head=LINEAR, **changes):
    torch.manual_seed(0)
    return MODELS.build(dict(NET, head=head, **changes)).eval()


def recorded(model, **options):
    seen = []
    recorder = FeatureRecorder(model, lambda *args: seen.append(args))
    recorder.arm()
    model(torch.randn(3, 3, 8, 8), **options)
    return recorder, seen


def hooks_of(model):
    return [
        hook
        for module in model.modules()
        for kind in ('_forward_hooks', '_forward_pre_hooks')
        for hook in getattr(module, kind).values()
    ]


VIT = dict(
    type='VisionTransformer',
    arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16),
    img_size=8,
    patch_size=4,
)


@pytest.mark.parametrize(
    'changes',
    [
        dict(),
        dict(
            type='DecoupledClassifier', head=dict(LINEAR, type='AdversarialFeatureHead')
        ),
        dict(head=dict(LINEAR, type='StackedLinearClsHead', mid_channels=[12])),
        dict(
            backbone=VIT,
            neck=None,
            head=dict(
                type='VisionTransformerClsHead',
                num_classes=5,
                in_channels=16,
                hidden_dim=12,
            ),
        ),
    ],
    ids=['linear', 'stage2', 'stacked', 'vit'],
)
def test_sees_what_the_prediction_is_made_from(changes):
    model = build(**changes)
    recorder, [(features, logits, samples)] = recorded(model, mode='predict')
    torch.testing.assert_close(recorder.linear(features), logits)
    scores = torch.stack([sample.pred_score for sample in samples])
    torch.testing.assert_close(logits.softmax(dim=1), scores)
    assert hooks_of(model) == []


def test_logits_are_those_behind_a_scale():
    model = build(dict(LINEAR, type='ArcFaceClsHead', scale=16.0))
    recorder, [(features, logits, _)] = recorded(model, mode='predict')
    torch.testing.assert_close(16 * recorder.linear(features), logits)


@pytest.mark.parametrize(
    'head',
    [
        dict(type='DeiTClsHead', num_classes=5, in_channels=64),
        dict(type='ConformerHead', num_classes=5, in_channels=[64, 64]),
        dict(type='ClsHead'),
    ],
    ids=lambda head: head['type'],
)
def test_a_head_with_other_than_one_linear_layer_is_refused(head):
    with pytest.raises(NotImplementedError, match=f'head {head["type"]} has [02] of'):
        FeatureRecorder(build(head), print)


def test_a_prediction_that_is_no_softmax_of_the_layer_is_refused():
    model = build(dict(LINEAR, type='MultiLabelLinearClsHead'))
    with pytest.raises(NotImplementedError, match='does not predict the softmax'):
        recorded(model, mode='predict')
    assert hooks_of(model) == []


def test_what_has_diverged_is_shown_as_it_is():
    """The metric says that scores are NaN; the head is not to blame."""
    model = build()
    torch.nn.init.constant_(model.head.fc.bias, float('nan'))
    _, [(_, logits, _)] = recorded(model, mode='predict')
    assert logits.isnan().all()


def test_a_model_without_head_is_refused():
    with pytest.raises(NotImplementedError, match='head ends in one linear layer'):
        FeatureRecorder(build(None), print)


def test_other_modes_are_not_recorded():
    model = build()
    recorder, seen = recorded(model, mode='tensor')
    assert seen == [] and hooks_of(model) == []
    model(torch.randn(1, 3, 8, 8), mode='predict')  # armed for one forward only
    assert seen == []


@pytest.mark.parametrize('part', ['data_preprocessor', 'backbone', 'head', 'receiver'])
def test_hooks_are_gone_after_an_error_anywhere(part):
    model = build()

    def fail(*args):
        raise OSError(part)

    recorder = FeatureRecorder(model, fail if part == 'receiver' else print)
    if part != 'receiver':
        handle = getattr(model, part).register_forward_pre_hook(fail)
    recorder.arm()
    with pytest.raises(OSError, match=part):
        model.test_step(dict(inputs=[torch.zeros(3, 8, 8, dtype=torch.uint8)]))
    if part != 'receiver':
        handle.remove()
    assert hooks_of(model) == []


def test_arming_twice_records_once():
    model = build()
    seen = []
    recorder = FeatureRecorder(model, lambda *args: seen.append(args))
    recorder.arm()
    recorder.arm()
    model(torch.randn(2, 3, 8, 8), mode='predict')
    assert len(seen) == 1 and hooks_of(model) == []


def test_half_precision_is_shown_in_single():
    model = build()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        _, [(features, logits, _)] = recorded(model, mode='predict')
    assert features.dtype == logits.dtype == torch.float32
