# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Frozen parameters, labels and forwards at the limits: exact, or a sentence."""

import copy

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from tiny_network import TinyBackbone, tiny_batch, tiny_model
from torch import nn
from torch.utils.checkpoint import checkpoint
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

LinearClsHead = MODELS.get('LinearClsHead')


def without_norm():
    model = tiny_model()
    model.backbone.norm = nn.Identity()
    return model


def freeze(model, names):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in names)


def expected_of(model, batch, frozen, prefixes):
    """Brute force with only what is trained among the perturbed parameters."""
    names = [n for n, _ in model.named_parameters() if n.startswith(prefixes)]
    thawed = copy.deepcopy(model).requires_grad_(True)
    expected = brute_force_gradients(
        thawed,
        batch,
        cross_entropy,
        COUNTS,
        prefix=tuple(n for n in names if n not in frozen),
    )
    for name in frozen:
        expected[name].zero_()
    return expected


@pytest.mark.parametrize(
    'perturb, frozen',
    [
        ('', ['backbone.conv.weight', 'backbone.conv.bias']),
        ('', ['backbone.conv.weight']),
        ('head', ['head.fc.bias']),
        ('head', ['head.fc.weight']),
        (['backbone.conv', 'head'], ['head.fc.weight', 'head.fc.bias']),
    ],
)
def test_frozen_parameters_are_skipped(perturb, frozen):
    model, batch = without_norm(), tiny_batch([0, 0, 1, 4])
    prefixes = (perturb,) if isinstance(perturb, str) else tuple(perturb)
    expected = expected_of(model, batch, frozen, prefixes)
    freeze(model, frozen)
    actual = sgd_updates(model, batch, build_wrapper(model, perturb=perturb))
    assert relative_difference(actual, expected) < 1e-9


def test_parameters_may_freeze_and_thaw_during_training():
    model, batch = without_norm(), tiny_batch([0, 0, 1, 4])
    wrapper = build_wrapper(model, perturb='')
    for frozen in ([], ['backbone.conv.weight'], []):
        expected = expected_of(model, batch, frozen, ('',))
        freeze(model, frozen)
        actual = sgd_updates(model, batch, wrapper)
        assert relative_difference(actual, expected) < 1e-9
        wrapper.zero_grad()


def test_a_part_of_which_all_is_frozen_is_refused():
    model = tiny_model()
    model.head.requires_grad_(False)
    with pytest.raises(ValueError, match="'head.fc.weight', are frozen"):
        build_wrapper(model).initialize_count_status(model, 0, 10)


@pytest.mark.parametrize('perturb', ['head', ''])
def test_a_later_step_without_a_perturbed_forward_is_refused(perturb):
    model, batch = tiny_model(), tiny_batch([0, 1])
    wrapper = build_wrapper(model, perturb=perturb)
    for _ in range(2):
        model.train_step(batch, wrapper)
    loss = model(**batch, mode='loss')['loss']
    with pytest.raises(RuntimeError, match='saw no forward to repeat'):
        wrapper.update_params(loss)


def test_head_that_is_called_by_keyword():
    class Keyword(LinearClsHead):
        def loss(self, feats, data_samples, **kwargs):
            return self._get_loss(self(feats=feats), data_samples, **kwargs)

    batch, models = tiny_batch([0, 1, 1]), [tiny_model(), tiny_model()]
    models[1].head.__class__ = Keyword
    updates = [sgd_updates(model, batch, build_wrapper(model)) for model in models]
    assert relative_difference(*updates) < 1e-9


METHODS = [
    dict(),
    dict(perturb=''),
    dict(type='ImbSAMOptimWrapper'),
    dict(type='FocalSAMOptimWrapper'),
]


@pytest.mark.parametrize('options', METHODS)
def test_data_without_one_class_per_image_are_refused(options):
    model, batch = tiny_model(), tiny_batch([0, 1])
    sigmoid = dict(type='CrossEntropyLoss', use_sigmoid=True)
    model.head.loss_module = MODELS.build(sigmoid)
    for sample, score in zip(batch['data_samples'], ([1, 1, 0, 0, 1], [0, 0, 1, 0, 0])):
        sample.set_gt_score(torch.tensor(score).double())
    with pytest.raises(ValueError, match='several labels in gt_score'):
        model.train_step(batch, build_wrapper(model, **options))


@pytest.mark.parametrize('perturb', ['head', ''])
@pytest.mark.parametrize(
    'sample, found',
    [(DataSample().set_gt_label([0, 2]), '2 labels'), (DataSample(), 'no gt_label')],
)
def test_samples_without_one_label_are_refused(perturb, sample, found):
    class Lenient(LinearClsHead):
        def loss(self, feats, data_samples, **kwargs):
            return dict(loss=self(feats).square().mean())

    model, batch = tiny_model(), tiny_batch([0, 1])
    model.head.__class__ = Lenient
    batch['data_samples'][1] = sample
    with pytest.raises(ValueError, match=f'{found}.*one class'):
        model.train_step(batch, build_wrapper(model, perturb=perturb))


@pytest.mark.parametrize('options', METHODS)
@pytest.mark.parametrize(
    'head',
    [
        dict(type='MultiLabelLinearClsHead', num_classes=5, in_channels=4),
        dict(
            type='MultiTaskHead',
            task_heads=dict(a=dict(type='LinearClsHead', num_classes=5)),
            in_channels=4,
        ),
    ],
)
def test_heads_of_several_labels_are_refused(head, options):
    model = tiny_model()
    model.head = MODELS.build(head).double()
    options = dict(options)
    if 'type' not in options:
        options.setdefault('perturb', 'head')
    wrapper = build_wrapper(model, **options)
    with pytest.raises(NotImplementedError, match=f'{head["type"]} have several'):
        wrapper.initialize_count_status(model, 0, 10)


class Aside(TinyBackbone):
    """A layer that runs, and whose output nobody uses."""

    def forward(self, x):
        x = super().forward(x)
        self.aside(x[0])
        return x


def test_a_part_that_the_loss_does_not_depend_on_is_refused():
    model, batch = tiny_model(), tiny_batch([0, 1, 1])
    model.backbone.aside = nn.Linear(4, 2).double()
    model.backbone.__class__ = Aside
    with pytest.raises(RuntimeError, match="not depend on .*'backbone.aside'"):
        model.train_step(batch, build_wrapper(model, perturb='backbone.aside'))
    # Beside other parts, it has no gradient and no perturbation.
    model.train_step(batch, build_wrapper(model, perturb='backbone'))


def test_a_loss_that_does_not_depend_on_the_classifier_is_refused():
    class Unused(LinearClsHead):
        def loss(self, feats, data_samples, **kwargs):
            self(feats)
            return dict(loss=feats[-1].square().mean())

    model = tiny_model()
    model.head.__class__ = Unused
    with pytest.raises(RuntimeError, match="not depend on .*perturb='head'"):
        model.train_step(tiny_batch([0, 1]), build_wrapper(model))


class Checkpointed(TinyBackbone):
    """The convolution in the non-reentrant form, which no flag of a module tells."""

    def forward(self, x):
        x = checkpoint(self.conv, x, use_reentrant=False)
        return (self.norm(x).tanh().mean(dim=(2, 3)),)


@pytest.mark.parametrize('perturbed_weight', [1.0, 0.3])
@pytest.mark.parametrize('labels', [[1, 1, 1], [0, 1, 1]])
def test_checkpointing_around_a_perturbed_module_is_refused(labels, perturbed_weight):
    model, plain = tiny_model(), tiny_model()
    batch = tiny_batch(labels)
    model.backbone.__class__ = Checkpointed
    options = dict(perturbed_weight=perturbed_weight)
    wrapper = build_wrapper(model, perturb='backbone.conv', **options)
    with pytest.raises(RuntimeError, match="'backbone.conv' runs again"):
        model.train_step(batch, wrapper)
    # In the trunk, it changes nothing.
    trunk = tiny_model()
    trunk.backbone.__class__ = Checkpointed
    updates = [
        sgd_updates(network, batch, build_wrapper(network, **options))
        for network in (trunk, plain)
    ]
    assert relative_difference(*updates) < 1e-9


def test_checkpointing_from_the_classifier_to_its_scores_is_refused():
    """The activation's input would be computed again, from the plain weights.

    With as many classes as features, PyTorch's own check of shapes finds nothing.
    """

    class Around(LinearClsHead):
        def forward(self, feats):
            def scores(feats):
                return self.fc(feats).tanh()

            return checkpoint(scores, self.pre_logits(feats), use_reentrant=False)

    model = tiny_model(num_classes=4)
    model.head.__class__ = Around
    with pytest.raises(RuntimeError, match="'head.fc' runs again"):
        wrapper = build_wrapper(model, class_counts=COUNTS[:4])
        model.train_step(tiny_batch([1, 1], num_classes=4), wrapper)
