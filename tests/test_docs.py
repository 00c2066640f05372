# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Links of the documentation lead somewhere, and CONTRIBUTING's examples work."""

import re
from pathlib import Path

import mmengine.registry
import mmpretrain.registry
import pytest
import torch
import yaml
from mmengine.optim import build_optim_wrapper
from tiny_network import tiny_batch, tiny_model
from updates import sgd_updates

import ccsam_mm  # noqa: F401

REPO = Path(__file__).parents[1]
CONTRIBUTING = (REPO / 'CONTRIBUTING.md').read_text()
PAGES = [*REPO.glob('*.md'), *REPO.glob('docs/*.md'), *REPO.glob('configs/**/*.md')]


def anchors(page):
    """Names that GitHub gives the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', h.lower()).replace(' ', '-') for h in headings}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if not re.match(r'https?:', target):
            path, _, anchor = target.partition('#')
            found = (page.parent / path) if path else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


def test_pre_commit_has_the_ruff_of_the_requirements():
    wanted = (REPO / 'requirements/tests.txt').read_text().splitlines()
    config = yaml.safe_load((REPO / '.pre-commit-config.yaml').read_text())
    for hook in config['repos'][0]['hooks']:
        assert set(hook['additional_dependencies']) <= set(wanted)


@pytest.fixture
def define(monkeypatch):
    """Define the class of an example, for one test; return the names it defines."""
    for owner, name in (
        (mmpretrain.registry, 'MODELS'),
        (mmpretrain.registry, 'DATASETS'),
        (mmpretrain.registry, 'METRICS'),
        (mmengine.registry, 'OPTIM_WRAPPERS'),
    ):
        registry = getattr(owner, name)
        monkeypatch.setattr(registry, '_module_dict', dict(registry._module_dict))

    def run(name):
        pattern = rf'<!-- example: {name} -->\n```python\n(.*?)```'
        names = dict(__name__='example')
        exec(re.search(pattern, CONTRIBUTING, re.DOTALL).group(1), names)
        return names

    return run


def test_example_of_a_loss(define):
    define('loss')
    model = tiny_model(type='TemperatureLoss', temperature=2.0)
    plain = tiny_model()
    with torch.no_grad():
        plain.head.fc.weight /= 2
        plain.head.fc.bias /= 2
    batch = tiny_batch([0, 1, 4])
    losses = [m(**batch, mode='loss')['loss'] for m in (model, plain)]
    torch.testing.assert_close(*losses)


def test_example_of_a_head(define):
    define('head')
    head = dict(type='NoisyFeatureHead', noise=0.0)
    batch, plain = tiny_batch([0, 1, 4]), tiny_model()
    model = tiny_model(head=head)
    expected = plain(**batch, mode='loss')['loss']
    torch.testing.assert_close(model(**batch, mode='loss')['loss'], expected)
    model.head.noise = 1.0
    assert model(**batch, mode='loss')['loss'] != expected


def test_example_of_an_optimizer_wrapper(define):
    """Classes of one size make it SAM."""
    define('optim_wrapper')
    updates = []
    for options in (
        dict(type='InverseSAMOptimWrapper', class_counts=[7] * 5),
        dict(type='SAMOptimWrapper'),
        dict(type='InverseSAMOptimWrapper', class_counts=[70, 7, 7, 7, 7]),
    ):
        model = tiny_model()
        config = dict(options, rho=0.05, optimizer=dict(type='SGD', lr=1.0))
        wrapper = build_optim_wrapper(model, config)
        updates.append(sgd_updates(model, tiny_batch([0, 1, 4]), wrapper))
    for name, update in updates[0].items():
        torch.testing.assert_close(update, updates[1][name])
    assert any(not torch.equal(u, updates[2][name]) for name, u in updates[0].items())


def test_example_of_a_data_set(define):
    data = define('dataset')['GreyLT']
    assert (len(data()), len(data(split='test'))) == (99, 20)
    assert data(split='test').metainfo['class_counts'] == [90, 9]
    assert data(indices=[0, 98]).metainfo['class_counts'] == [1, 1]
    assert data()[98]['img'].mean() == 200


def test_example_of_a_metric(define):
    metric = define('metric')['WorstClassAccuracy']()
    pred, target = [0, 0, 1, 1], [0, 0, 0, 1]
    samples = [dict(pred_label=p, gt_label=t) for p, t in zip(pred, target)]
    metric.process(None, samples)
    expected = {'accuracy/worst_class': pytest.approx(200 / 3)}
    assert metric.evaluate(size=4) == expected
