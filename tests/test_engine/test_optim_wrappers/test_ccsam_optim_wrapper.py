# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Updates against ``brute_force.py``: whole-model copies per class, in float64."""

import copy
import re
from collections import OrderedDict

import pytest
import torch
from brute_force import brute_force_gradients, cross_entropy
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import MessageHub
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from packaging.version import Version
from tiny_network import tiny_batch, tiny_model
from updates import COUNTS, build_wrapper, relative_difference, sgd_updates

import ccsam_mm  # noqa: F401

# MMPretrain keeps smoothed labels in float32: a value exact there.
SMOOTHING = 0.3125


LOSSES = dict(
    cross_entropy=(dict(), cross_entropy),
    label_smoothing=(
        dict(type='LabelSmoothLoss', label_smooth_val=SMOOTHING, mode='original'),
        lambda s, t: cross_entropy(s, t, smoothing=SMOOTHING),
    ),
    soft=(dict(use_soft=True), cross_entropy),
)


@settings(max_examples=150, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=9),
    loss=st.sampled_from(sorted(LOSSES)),
    rho_scale=st.sampled_from([0.0, 0.03, 1.0, 20.0]),
    max_relative_norm=st.sampled_from([None, 0.1]),
    class_reduction=st.sampled_from(['sample', 'class']),
    perturbed_weight=st.sampled_from([1.0, 0.3]),
    min_grad_norm=st.sampled_from([0.0, 1.2]),
    seed=st.integers(0, 1000),
)
def test_update_equals_brute_force(labels, loss, seed, **options):
    loss_config, image_losses = LOSSES[loss]
    model = tiny_model(seed=seed, **loss_config)
    batch = tiny_batch(labels, soft=loss == 'soft', seed=seed)
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, image_losses, COUNTS, **options
    )
    actual = sgd_updates(model, batch, build_wrapper(model, **options))
    assert relative_difference(actual, expected) < 1e-9


@pytest.mark.parametrize('radius', [1.0, 0.05])
def test_fixed_radius(radius):
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 4])
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, radius=radius
    )
    wrapper = build_wrapper(model, radius=radius, class_counts=None)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


@pytest.mark.parametrize('perturb', ['head', ''])
def test_floor_acts_on_the_classes_below_it(perturb):
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 2, 4])
    wrapper = build_wrapper(model, perturb=perturb)
    with wrapper.optim_context(model):
        model(**batch, mode='loss')
    _, norms, lengths, _ = wrapper.last_perturbation
    floor = norms.sort().values[len(norms) // 2].item()
    assert norms.min() < floor < norms.max()
    wrapper = build_wrapper(model, perturb=perturb, min_grad_norm=floor)
    with wrapper.optim_context(model):
        model(**batch, mode='loss')
    shrunk = (norms / floor).clamp(max=1).sqrt() * lengths
    torch.testing.assert_close(wrapper.last_perturbation.lengths, shrunk)


@pytest.fixture
def hub(monkeypatch):
    """A message hub of its own, so that others see no training."""
    monkeypatch.setattr(MessageHub, '_instance_dict', OrderedDict())
    return MessageHub.get_instance('rho_warmup')


@pytest.mark.parametrize('perturb', ['head', ''])
@pytest.mark.parametrize('radius', ['characteristic', 0.5])
@pytest.mark.parametrize(
    'iteration, share',
    [(None, 1), (0, 0.05), (9, 0.5), (18, 0.95), (19, 1), (20, 1), (99, 1)],
)
def test_warmup_is_a_ramp_of_the_length(hub, perturb, radius, iteration, share):
    """Over a fifth of 100 iterations; None is outside a training loop."""
    if iteration is not None:
        hub.update_info_dict(dict(iter=iteration, max_iters=100))
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 4])
    model.backbone.norm = torch.nn.Identity()
    options = dict(radius=share * radius) if radius == 0.5 else dict(rho_scale=share)
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, perturb, **options
    )
    wrapper = build_wrapper(model, perturb=perturb, radius=radius, rho_warmup=0.2)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_perturbation_changes_the_update():
    """The oracle tests would be void if perturbed and plain gradients agreed."""
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 4])
    plain = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, rho_scale=0
    )
    actual = sgd_updates(model, batch, build_wrapper(model))
    assert relative_difference(actual, plain) > 1e-2


def test_zero_scale_equals_plain_sgd():
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 4, 2])
    plain = copy.deepcopy(model)
    sgd = build_optim_wrapper(plain, dict(optimizer=dict(type='SGD', lr=1.0)))
    expected = sgd_updates(plain, batch, sgd)
    actual = sgd_updates(model, batch, build_wrapper(model, rho_scale=0))
    assert relative_difference(actual, expected) < 1e-12


def test_running_statistics_move_once():
    model, batch = tiny_model(), tiny_batch([0, 1, 1])
    plain = copy.deepcopy(model)
    model.train_step(batch, build_wrapper(model))
    plain(batch['inputs'], mode='tensor')
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(model.get_buffer(name), buffer)


@pytest.mark.parametrize('value', [0.0, -60.0])
def test_nothing_is_nan(value):
    """Vanished weights, and logits so sure that gradients underflow to zero."""
    model, batch = tiny_model(), tiny_batch([0, 0, 0])
    with torch.no_grad():
        model.head.fc.weight.zero_()
        model.head.fc.bias.fill_(value)
        model.head.fc.bias[0] = -30 * value
    updates = sgd_updates(model, batch, build_wrapper(model))
    assert all(torch.isfinite(update).all() for update in updates.values())
    assert (max(float(u.abs().max()) for u in updates.values()) > 0) == (value == 0)


@pytest.mark.parametrize('perturb', ['head', ''])
@pytest.mark.parametrize(
    'options', [dict(), dict(max_relative_norm=0.1), dict(radius=10.0)]
)
@pytest.mark.parametrize('margin', [60.0, 90.0])
def test_fitted_class_is_not_nan(perturb, options, margin):
    """In float32, its gradient has a norm of 1e-26 and less beside entries of zero."""
    model = tiny_model(dtype=torch.float32)
    batch = tiny_batch([0, 0, 0], dtype=torch.float32)
    with torch.no_grad():
        model.head.fc.weight.mul_(1e-3)
        model.head.fc.bias.fill_(-margin)
        model.head.fc.bias[0] = 0
    updates = sgd_updates(
        model, batch, build_wrapper(model, perturb=perturb, **options)
    )
    assert all(torch.isfinite(update).all() for update in updates.values())


@pytest.mark.parametrize('key, factor', [('loss', 0.25), ('loss_cls', 1)])
def test_loss_that_the_model_changes_is_refused(key, factor):
    class Scaled(type(tiny_model())):
        def loss(self, inputs, data_samples):
            return {key: factor * super().loss(inputs, data_samples)['loss']}

    model, batch = tiny_model(), tiny_batch([0, 1, 1])
    model.__class__ = Scaled
    with pytest.raises(NotImplementedError, match="Scaled changes the loss 'loss'"):
        model.train_step(batch, build_wrapper(model))
    model.train_step(batch, build_wrapper(model, perturb=''))  # finds the passes


def test_classifier_without_a_head():
    class Headless(BaseModel):
        def __init__(self, classifier):
            super().__init__(data_preprocessor=BaseDataPreprocessor())
            self.network = classifier

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return self.network(inputs, data_samples, mode)

    batch, options = tiny_batch([0, 1, 1]), dict(perturb='network.backbone')
    models = [tiny_model(), Headless(tiny_model())]
    expected = sgd_updates(
        models[0], batch, build_wrapper(models[0], perturb='backbone')
    )
    updates = sgd_updates(models[1], batch, build_wrapper(models[1], **options))
    updates = {name.replace('network.', ''): u for name, u in updates.items()}
    assert relative_difference(updates, expected) < 1e-9
    wrapper = build_wrapper(models[1], class_reduction='class', **options)
    with pytest.raises(NotImplementedError, match="class_reduction='sample'"):
        models[1].train_step(batch, wrapper)


@pytest.mark.parametrize('perturb', ['head', ''])
def test_training_step_that_is_not_perturbed_is_refused(perturb):
    class Other(type(tiny_model())):
        def train_step(self, data, optim_wrapper):
            losses = self(**data, mode='loss')
            optim_wrapper.update_params(losses['loss'])

    model, batch = tiny_model(), tiny_batch([0, 1])
    model.__class__ = Other
    with pytest.raises(RuntimeError, match='saw no forward to repeat'):
        model.train_step(batch, build_wrapper(model, perturb=perturb))


def test_layer_that_is_called_by_keyword():
    class Keyword(MODELS.get('LinearClsHead')):
        def forward(self, feats):
            return self.fc(input=self.pre_logits(feats))

    batch, models = tiny_batch([0, 1, 1]), [tiny_model(), tiny_model()]
    models[1].head.__class__ = Keyword
    updates = [sgd_updates(model, batch, build_wrapper(model)) for model in models]
    assert relative_difference(*updates) < 1e-9


@pytest.mark.parametrize(
    'head, perturb',
    [
        (dict(type='VisionTransformerClsHead'), 'head'),
        (dict(type='VisionTransformerClsHead', hidden_dim=6), 'head.layers.head'),
        (dict(type='StackedLinearClsHead', mid_channels=(6,)), 'head.layers.1'),
    ],
)
def test_other_heads(head, perturb):
    model, batch = tiny_model(head=head), tiny_batch([0, 0, 1, 4])
    if head['type'] == 'VisionTransformerClsHead':
        # Its features are (patch tokens, class token).
        model.backbone.register_forward_hook(lambda m, a, out: ([None, out[0]],))
    names = [n for n, _ in model.named_parameters() if n.startswith(perturb)]
    assert len(names) == 2
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, prefix=perturb
    )
    wrapper = build_wrapper(model, perturb=perturb)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


@pytest.mark.parametrize('layer', [0, 1])
def test_class_reduction_with_layers_after_the_perturbed_one(layer):
    head = dict(type='StackedLinearClsHead', mid_channels=(6,))
    model, batch = tiny_model(head=head), tiny_batch([0, 0, 0, 1, 2])
    perturb = f'head.layers.{layer}'
    options = dict(class_reduction='class', perturbed_weight=0.5)
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, prefix=perturb, **options
    )
    wrapper = build_wrapper(model, perturb=perturb, **options)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_class_reduction_needs_the_scores_of_the_head():
    class Direct(MODELS.get('LinearClsHead')):
        def loss(self, feats, data_samples, **kwargs):
            scores = self.fc(self.pre_logits(feats))
            return self._get_loss(scores, data_samples, **kwargs)

    model, batch = tiny_model(), tiny_batch([0, 0, 1])
    model.head.__class__ = Direct
    wrapper = build_wrapper(model, perturb='', class_reduction='class')
    with pytest.raises(NotImplementedError, match='Direct has not'):
        model.train_step(batch, wrapper)
    model.train_step(batch, build_wrapper(model, perturb=''))


def test_classifier_without_bias():
    model, batch = tiny_model(), tiny_batch([0, 0, 1, 4])
    model.head.fc.register_parameter('bias', None)
    expected = brute_force_gradients(copy.deepcopy(model), batch, cross_entropy, COUNTS)
    assert (
        relative_difference(sgd_updates(model, batch, build_wrapper(model)), expected)
        < 1e-9
    )


def test_accumulation_perturbs_each_micro_batch():
    model = tiny_model()
    batches = [tiny_batch([0, 1, 1], seed=1), tiny_batch([4, 4, 2], seed=2)]
    parts = [
        brute_force_gradients(copy.deepcopy(model), b, cross_entropy, COUNTS)
        for b in batches
    ]
    expected = {n: (parts[0][n] + parts[1][n]) / 2 for n in parts[0]}
    wrapper = build_wrapper(model, accumulative_counts=2)
    unchanged = sgd_updates(model, batches[0], wrapper)
    assert all((update == 0).all() for update in unchanged.values())
    actual = sgd_updates(model, batches[1], wrapper)
    assert relative_difference(actual, expected) < 1e-9


def test_clipping_acts_on_the_final_gradient():
    model, batch = tiny_model(), tiny_batch([0, 1, 4])
    expected = brute_force_gradients(copy.deepcopy(model), batch, cross_entropy, COUNTS)
    norm = torch.cat([g.flatten() for g in expected.values()]).norm()
    expected = {n: g * 0.01 / norm for n, g in expected.items()}
    wrapper = build_wrapper(model, clip_grad=dict(max_norm=0.01))
    # clip_grad_norm_ divides by norm + 1e-6.
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-5


def test_stateful_loss_counts_a_batch_once():
    model = tiny_model()
    model.head.loss_module = MODELS.build(dict(type='SeesawLoss', num_classes=5))
    batch = tiny_batch([0, 0, 1, 4])
    plain = copy.deepcopy(model)
    plain.train_step(
        batch, build_optim_wrapper(plain, dict(optimizer=dict(type='SGD', lr=1.0)))
    )
    model.train_step(batch, build_wrapper(model))
    loss, plain_loss = model.head.loss_module, plain.head.loss_module
    assert plain_loss.cum_samples.tolist() == [2, 1, 0, 0, 1]
    torch.testing.assert_close(loss.cum_samples, plain_loss.cum_samples)


def test_in_place_activation_after_the_perturbed_layer():
    head = dict(type='StackedLinearClsHead', mid_channels=(6,))
    head['act_cfg'] = dict(type='ReLU', inplace=True)
    model, batch = tiny_model(head=head), tiny_batch([0, 0, 1, 4])
    perturb = 'head.layers.0.fc'
    expected = brute_force_gradients(
        copy.deepcopy(model), batch, cross_entropy, COUNTS, prefix=perturb
    )
    wrapper = build_wrapper(model, perturb=perturb)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9


def test_random_direction_has_the_gradients_length():
    """The step in logit space is that of a random matrix of norm ``||eps_c||``."""
    model, batch = tiny_model(), tiny_batch([0] * 4)
    torch.manual_seed(0)
    losses = []
    for direction in ('gradient', 'random', 'random'):
        network = copy.deepcopy(model)
        wrapper = build_wrapper(network, direction=direction, rho_scale=0.3)
        losses.append(network.train_step(batch, wrapper)['loss'].item())
    clean = cross_entropy(
        model(batch['inputs'], mode='tensor'), torch.eye(5).double()[[0] * 4]
    ).mean()
    assert losses[1] != losses[2]
    # No random direction of the same length raises the loss as far as the gradient's.
    assert losses[0] - clean > max(losses[1:]) - clean
    assert all(abs(loss - clean) > 1e-6 for loss in losses)


def test_hooks_are_gone_also_after_an_error():
    model, batch = tiny_model(), tiny_batch([0, 1])
    wrapper = build_wrapper(model)

    def hooks():
        return [
            hook
            for module in model.modules()
            for hook in (*module._forward_hooks, *module._forward_pre_hooks)
        ]

    before = hooks()
    model.train_step(batch, wrapper)
    assert hooks() == before and 'forward' not in vars(model.head.fc)
    broken = dict(inputs=batch['inputs'][:, :1], data_samples=batch['data_samples'])
    with pytest.raises(RuntimeError):
        model.train_step(broken, wrapper)
    assert hooks() == before
    model.train_step(batch, wrapper)


def test_other_modes_and_evaluation_in_the_context_are_untouched():
    model, batch = tiny_model(), tiny_batch([0, 1])
    wrapper = build_wrapper(model)
    with wrapper.optim_context(model):
        scores = model(batch['inputs'], mode='tensor')
        with torch.no_grad():
            losses = model(**batch, mode='loss')
    assert scores.shape == (2, 5) and set(losses) == {'loss'}


@pytest.mark.parametrize('perturb', ['head', ''])
def test_forward_of_another_mode_before_and_inside_the_training_forward(perturb):
    class Nested(type(tiny_model())):
        def loss(self, inputs, data_samples):
            self(inputs, mode='tensor')
            return super().loss(inputs, data_samples)

    model, batch = tiny_model().eval(), tiny_batch([0, 1])
    wrapper = build_wrapper(model, perturb=perturb)
    with wrapper.optim_context(model):
        expected = model(**batch, mode='loss')
    model.__class__ = Nested
    with wrapper.optim_context(model):
        model(batch['inputs'], mode='tensor')
        losses = model(**batch, mode='loss')
    assert losses['loss'] == expected['loss'] != losses['clean_objective']


@pytest.mark.skipif(
    Version(torch.__version__) < Version('2.4'),
    reason='torch.compile of 2.3 fails in its own code',
)
@pytest.mark.parametrize('perturb', ['head', ''])
def test_compiled_train_step(perturb):
    model, batch = tiny_model(), tiny_batch([0, 1, 0])
    compiled = copy.deepcopy(model)
    torch._dynamo.reset()
    # What MMEngine does for `compile=dict(backend='eager')` in a config.
    compiled.train_step = torch.compile(compiled.train_step, backend='eager')
    wrappers = [build_wrapper(m, perturb=perturb) for m in (model, compiled)]
    for _ in range(2):
        expected = sgd_updates(model, batch, wrappers[0])
        updates = sgd_updates(compiled, batch, wrappers[1])
        assert relative_difference(updates, expected) < 1e-9


def test_logged_values():
    model = tiny_model(head=dict(type='LinearClsHead', cal_acc=True))
    batch = tiny_batch([0, 1, 1])
    with torch.no_grad():
        clean = copy.deepcopy(model)(**batch, mode='loss')
    logs = model.train_step(batch, build_wrapper(copy.deepcopy(model)))
    torch.testing.assert_close(logs['clean_objective'], clean['loss'])
    # Accuracy is that of the unperturbed classifier; the loss is the perturbed one.
    assert logs['accuracy_top-1'] == clean['accuracy_top-1'][0]
    assert logs['loss'] > clean['loss']
    mixed = model.train_step(batch, build_wrapper(model, perturbed_weight=0.25))
    parts = mixed['loss_clean'] + mixed['loss_perturbed']
    torch.testing.assert_close(mixed['loss'], parts)


def test_class_counts_come_from_the_training_data_set():
    hub = MessageHub.get_instance('class_counts_test')  # now the current instance
    hub.update_info('dataset_meta', dict(class_counts=COUNTS))
    model, batch = tiny_model(), tiny_batch([0, 1, 4])
    expected = brute_force_gradients(copy.deepcopy(model), batch, cross_entropy, COUNTS)
    wrapper = build_wrapper(model, class_counts=None)
    assert relative_difference(sgd_updates(model, batch, wrapper), expected) < 1e-9
    hub.runtime_info.pop('dataset_meta')
    with pytest.raises(RuntimeError, match='ClassCountsHook'):
        model.train_step(batch, build_wrapper(model, class_counts=None))


@pytest.mark.parametrize(
    'options, error, sentence',
    [
        (
            dict(perturb='haed'),
            ValueError,
            "perturb='haed' matches no parameter.*with 'backbone', 'head'",
        ),
        (dict(perturb=['head', 'backbone.con']), ValueError, "'backbone.con' matches"),
    ],
)
def test_wrong_perturb_is_refused_before_training(options, error, sentence):
    model = tiny_model()
    with pytest.raises(error, match=sentence):
        build_wrapper(model, **options).initialize_count_status(model, 0, 10)


@pytest.mark.parametrize(
    'counts, sentence',
    [([5, 4, 3], '3 entries.*5 classes'), ([5, 4, 0, 1, 1], r'class_counts\[2\] is 0')],
)
def test_wrong_class_counts_are_refused(counts, sentence):
    model = tiny_model()
    with pytest.raises(ValueError, match=sentence):
        build_wrapper(model, class_counts=counts).initialize_count_status(model, 0, 10)


@pytest.mark.parametrize(
    'name, value',
    [
        ('perturb', None),
        ('perturb', []),
        ('rho_scale', -1),
        ('max_relative_norm', 0),
        ('radius', 'big'),
        ('direction', 'up'),
        ('class_reduction', 'mean'),
        ('perturbed_weight', 1.5),
        ('rho_warmup', 5),
        ('rho_warmup', None),
        ('min_grad_norm', -0.1),
        ('min_grad_norm', None),
    ],
)
def test_wrong_options_are_refused(name, value):
    with pytest.raises(
        ValueError, match=re.escape(f'optim_wrapper.{name} is {value!r}')
    ):
        build_wrapper(tiny_model(), **{name: value})
