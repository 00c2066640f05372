# Copyright (c) ccsam_mm contributors. All rights reserved.
import copy
import json

import cv2
import numpy as np
import open_digits
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpretrain.registry import DATASETS
from mmpretrain.visualization import UniversalVisualizer
from torch.utils.data import DataLoader

from ccsam_mm.apis import OpenSetInferencer
from ccsam_mm.evaluation.open_set import (
    collect_class_statistics,
    open_set_score_key,
    score_function,
)
from ccsam_mm.evaluation.open_set.statistics_file import (
    KeptStatistics,
    file_hash,
    model_key,
    save_statistics,
)

SCORES = ['msp', dict(type='energy', temperature=2.0), 'hybrid', 'openmax']


@pytest.fixture(scope='module')
def model():
    return open_digits.train_model()


@pytest.fixture(scope='module')
def statistics(model):
    train_set = DATASETS.build(open_digits.known('train'))
    loader = DataLoader(train_set, batch_size=50, collate_fn=pseudo_collate)
    return collect_class_statistics(model, loader, with_distances=True)


@pytest.fixture
def folder(tmp_path, model, statistics):
    """A config, a checkpoint, its files and pictures of the test split."""
    cfg = open_digits.config(tmp_path / 'work', SCORES, 'auto')
    cfg.dump(str(tmp_path / 'open.py'))
    open_digits.save_checkpoint(model, tmp_path / 'epoch_1.pth')
    path = str(tmp_path / 'epoch_1.open_set.pth')
    save_statistics(path, KeptStatistics(statistics, model_key(model), ''))
    thresholds = {
        open_set_score_key(score): dict(threshold=threshold)
        for score, threshold in zip(SCORES, (0.95, 5.0, 0.9, 0.5))
    }
    (tmp_path / 'epoch_1.open_set.json').write_text(json.dumps(thresholds))
    return tmp_path


@pytest.fixture
def pictures(folder):
    """Files, and what the network makes of them."""
    test_set = DATASETS.build(open_digits.open_set('test'))
    paths = []
    for i in range(0, len(test_set), 20):
        paths.append(str(folder / f'{i}.png'))
        cv2.imwrite(paths[-1], test_set.get_data_info(i)['img'])
    return paths, range(0, len(test_set), 20), test_set


@pytest.mark.parametrize('score', SCORES, ids=str)
def test_equals_the_score_of_the_test(folder, pictures, model, statistics, score):
    inferencer = OpenSetInferencer(
        str(folder / 'open.py'), str(folder / 'epoch_1.pth'), score=score
    )
    paths, indices, test_set = pictures
    results = inferencer(paths, batch_size=8)
    features, logits, _ = open_digits.look_at(model, test_set)
    expected = score_function(score, statistics)(features, logits)[list(indices)]
    found = torch.tensor([result['open_set_score'] for result in results])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    classes = set()
    for result, own in zip(results, found.tolist()):
        known = own >= result['threshold']
        assert result['threshold'] == inferencer.threshold
        guess = open_digits.KNOWN[int(np.argmax(result['pred_scores']))]
        assert result['pred_class'] == (guess if known else 'unknown')
        assert (result['pred_label'] == -1) == (not known)
        classes.add(known)
    assert classes == {True, False}


def test_the_first_metric_of_the_config_is_the_default(folder):
    names = str(folder / 'open.py'), str(folder / 'epoch_1.pth')
    inferencer = OpenSetInferencer(*names)
    assert (inferencer.score_key, inferencer.threshold) == ('msp', 0.95)
    assert OpenSetInferencer(*names, threshold=0.2).threshold == 0.2
    file = folder / 'mine.json'
    file.write_text('{"msp": {"threshold": 0.7}}')
    assert OpenSetInferencer(*names, threshold=str(file)).threshold == 0.7


def test_the_metric_is_found_in_an_evaluator_with_metrics(folder):
    cfg = Config.fromfile(str(folder / 'open.py'))
    cfg.test_evaluator = dict(metrics=cfg.test_evaluator)
    inferencer = OpenSetInferencer(cfg, str(folder / 'epoch_1.pth'), score='hybrid')
    assert (inferencer.score_key, inferencer.threshold) == ('hybrid', 0.9)


@pytest.mark.parametrize('classes', [None, open_digits.KNOWN])
def test_pictures_say_what_the_results_say(folder, pictures, monkeypatch, classes):
    names = str(folder / 'open.py'), str(folder / 'epoch_1.pth')
    inferencer = OpenSetInferencer(*names, score=SCORES[1])
    inferencer.classes = classes
    drawn = []
    inferencer.visualizer = UniversalVisualizer()
    monkeypatch.setattr(
        inferencer.visualizer.ax_save,
        'text',
        lambda x, y, text, **options: drawn.append(text),
    )
    results = inferencer(pictures[0], show_dir=str(folder / 'shown'))
    assert len(list((folder / 'shown').iterdir())) == len(results)
    unknown = [result['pred_label'] == -1 for result in results]
    assert set(unknown) == {True, False}
    for text, result in zip(drawn, results):
        is_unknown = result['pred_label'] == -1
        score = result['open_set_score' if is_unknown else 'pred_score']
        name = f' ({result["pred_class"]})' if classes else ''
        assert text == f'Prediction: {result["pred_label"]}, {score:.2f}{name}'
    assert inferencer.classes is classes


def test_no_class_is_known_by_a_score_that_is_nan(folder, pictures, model):
    broken = copy.deepcopy(model)
    torch.nn.init.constant_(broken.head.fc.bias, float('nan'))
    open_digits.save_checkpoint(broken, folder / 'epoch_1.pth')
    names = str(folder / 'open.py'), str(folder / 'epoch_1.pth')
    (result,) = OpenSetInferencer(*names, threshold=0.0)(pictures[0][0])
    assert result['pred_class'] == 'unknown' and result['pred_label'] == -1


def test_thresholds_of_another_checkpoint_are_a_warning(folder, monkeypatch):
    said = []
    monkeypatch.setattr(
        'ccsam_mm.evaluation.open_set.threshold_file.print_log',
        lambda message, **options: said.append(message),
    )
    names = str(folder / 'open.py'), str(folder / 'epoch_1.pth')
    file = folder / 'epoch_1.open_set.json'
    for sha, warned in ((file_hash(names[1]), False), ('of another', True)):
        file.write_text(json.dumps(dict(msp=dict(threshold=0.7, sha256=sha))))
        assert OpenSetInferencer(*names).threshold == 0.7
        assert len(said) == warned
    assert 'chosen for another checkpoint' in said[0]


def test_data_samples_have_the_scores(folder, pictures):
    inferencer = OpenSetInferencer(
        str(folder / 'open.py'), str(folder / 'epoch_1.pth'), score='hybrid'
    )
    (sample,) = inferencer(pictures[0][0], return_datasamples=True)
    assert set(sample.open_set_scores) == {'hybrid'}


def test_msp_with_a_number_needs_no_file(folder, pictures, model):
    for name in ('json', 'pth'):
        (folder / f'epoch_1.open_set.{name}').unlink()
    names = str(folder / 'open.py'), str(folder / 'epoch_1.pth')
    (result,) = OpenSetInferencer(*names, threshold=0.0)(pictures[0][0])
    assert result['open_set_score'] == pytest.approx(result['pred_score'])
    with pytest.raises(FileNotFoundError, match='choose_threshold.py CONFIG'):
        OpenSetInferencer(*names)
    with pytest.raises(ValueError, match='which is missing: make it with'):
        OpenSetInferencer(*names, score='hybrid', threshold=0.5)


def test_files_of_another_checkpoint_are_refused(folder, statistics):
    names = str(folder / 'open.py'), str(folder / 'epoch_1.pth')
    other = open_digits.train_model(iterations=0)
    open_digits.save_checkpoint(other, folder / 'epoch_1.pth')
    with pytest.raises(ValueError, match='which belongs to other weights'):
        OpenSetInferencer(*names, score='hybrid')
    less = KeptStatistics(statistics._replace(distances=None), model_key(other), '')
    save_statistics(str(folder / 'epoch_1.open_set.pth'), less)
    with pytest.raises(ValueError, match="was made without score='openmax'"):
        OpenSetInferencer(*names, score='openmax')
    with pytest.raises(ValueError, match='set `pretrained` to the path'):
        OpenSetInferencer(names[0], pretrained=False)


def test_a_checkpoint_that_does_not_fill_the_model_is_refused(folder, model):
    cfg = Config.fromfile(str(folder / 'open.py'))
    path = str(folder / 'epoch_1.pth')
    weights = model.state_dict()
    wrong = {
        'fills 0 of': {f'encoder.{name}': w for name, w in weights.items()},
        'saved with size': {**weights, 'head.fc.bias': torch.ones(3)},
        "missing one is 'head.fc.weight'": {
            k: v for k, v in weights.items() if k != 'head.fc.weight'
        },
        'layers that the model does not have': {
            **weights,
            'head.fc2.weight': torch.ones(1),
        },
    }
    for message, state_dict in wrong.items():
        torch.save(dict(state_dict=state_dict), path)
        for kind in (cfg, model):
            with pytest.raises(RuntimeError, match=f'epoch_1.pth .*{message}'):
                OpenSetInferencer(kind, path, threshold=0.5)
    with pytest.raises(ValueError, match='got no checkpoint.*set `pretrained`'):
        OpenSetInferencer(cfg, threshold=0.5)


@pytest.mark.parametrize(
    ('classes', 'said'),
    [
        ([*open_digits.KNOWN[1:], open_digits.KNOWN[0]], 'keep the order'),
        (open_digits.KNOWN[:-1], 'the head has'),
    ],
)
def test_names_of_other_outputs_are_refused(folder, classes, said):
    path = folder / 'named.pth'
    content = torch.load(folder / 'epoch_1.pth')
    content['meta'] = dict(dataset_meta=dict(classes=list(open_digits.KNOWN)))
    torch.save(content, path)
    options = dict(score='msp', threshold=0.5)
    names = str(folder / 'open.py'), str(path)
    with pytest.raises(ValueError, match=said):
        OpenSetInferencer(*names, classes=list(classes), **options)
    translated = [f'digit {name}' for name in open_digits.KNOWN]
    assert (
        OpenSetInferencer(*names, classes=translated, **options).classes == translated
    )
