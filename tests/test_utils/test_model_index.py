# Copyright (c) ccsam_mm contributors. All rights reserved.
"""MMPretrain's own entry points classify an image file with our checkpoints."""

from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain import (
    ImageClassificationInferencer,
    get_model,
    inference_model,
    list_models,
)
from mmpretrain.registry import DATASETS

import ccsam_mm  # noqa: F401
from ccsam_mm.datasets import DigitsLT

CONFIGS = Path(__file__).parents[2] / 'configs'
DIGITS = CONFIGS / 'ccsam/digits_lt_r20_stage1.py'
FOLDER = """
_base_ = [
    '{configs}/_base_/models/resnet20_small.py',
    '{configs}/_base_/datasets/image_folder.py',
    '{configs}/_base_/schedules/cifar_200e.py',
    '{configs}/_base_/default_runtime.py',
]
data_preprocessor = dict(num_classes=2)
model = dict(head=dict(num_classes=2))
train_dataloader = dict(num_workers=0, dataset=dict(data_root='{images}'))
val_dataloader = dict(num_workers=0, dataset=dict(data_root='{images}'))
"""


def train(config, work_dir):
    """Train for an epoch; return the checkpoint."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(
        dict(work_dir=str(work_dir), train_cfg=dict(max_epochs=1, val_interval=2))
    )
    cfg.experiment_name = f'{work_dir.name}_of_test'
    Runner.from_cfg(cfg).train()
    return str(work_dir / 'epoch_1.pth')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return train(DIGITS, tmp_path_factory.mktemp('digits'))


@pytest.fixture(scope='module')
def nine(tmp_path_factory):
    """The file of the last test digit, a nine."""
    image = DigitsLT(split='test').get_data_info(-1)['img']
    path = tmp_path_factory.mktemp('images') / 'nine.png'
    cv2.imwrite(str(path), image)
    return str(path)


def scores_of_test_set(model, dataset, index):
    """What a test loop gets for an image of a data set."""
    data = dataset[index]
    batch = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
    with torch.no_grad():
        (sample,) = model.test_step(batch)
    return sample.pred_score.numpy()


@pytest.mark.slow
@pytest.mark.parametrize('stage', [1, 2])
def test_inferencer_classifies_a_file_like_the_test_set(checkpoint, nine, stage):
    """Neither a loading step in the pipeline nor the class of the model matters."""
    config = str(DIGITS).replace('stage1', f'stage{stage}')
    inferencer = ImageClassificationInferencer(config, pretrained=checkpoint)
    (result,) = inferencer(nine)
    pipeline = inferencer.config.test_dataloader.dataset.pipeline
    dataset = DigitsLT(split='test', pipeline=pipeline)
    expected = scores_of_test_set(inferencer.model, dataset, len(dataset) - 1)
    np.testing.assert_allclose(result['pred_scores'], expected, rtol=1e-5)
    assert result['pred_class'] == str(expected.argmax())
    # The checkpoint says what the classes are called.
    assert torch.load(checkpoint)['meta']['dataset_meta']['classes'][9] == '9'


@pytest.mark.slow
def test_named_model_with_the_class_names_of_its_checkpoint(checkpoint, nine):
    name = 'digits_lt_r20_stage1'
    content = torch.load(checkpoint)
    names = [f'the digit {c}' for c in range(10)]
    content['meta']['dataset_meta']['classes'] = names
    renamed = checkpoint.replace('epoch_1', 'renamed')
    torch.save(content, renamed)
    model = get_model(name, pretrained=renamed)
    result = inference_model(model, nine)
    assert result['pred_class'] == names[result['pred_label']]
    assert name in list_models('digits_lt_*', task='Image Classification')


def test_cifar_models_take_arrays_in_rgb(tmp_path):
    """The data set holds RGB images, while the inferencer reads files as BGR."""
    model = get_model('cifar10_lt_ir100_r32_stage1')
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'rgb.png'), image[..., ::-1])
    read = mmcv.imread(str(tmp_path / 'rgb.png'), channel_order='rgb')
    result = inference_model(model, read)
    batch = dict(inputs=[torch.from_numpy(image).permute(2, 0, 1)], data_samples=None)
    with torch.no_grad():
        (sample,) = model.test_step(batch)
    np.testing.assert_allclose(result['pred_scores'], sample.pred_score, rtol=1e-5)
    of_file = inference_model(model, str(tmp_path / 'rgb.png'))['pred_scores']
    assert abs(of_file - result['pred_scores']).max() > 1e-4


@pytest.mark.slow
def test_folder_of_images(tmp_path):
    rng = np.random.default_rng(0)
    for split, number in (('train', 4), ('val', 2)):
        for kind in ('cat', 'dog'):
            folder = tmp_path / 'images' / split / kind
            folder.mkdir(parents=True)
            for i in range(number):
                image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / f'{i}.png'), image)
    config = tmp_path / 'folder.py'
    text = FOLDER.format(configs=CONFIGS, images='IMAGES')
    train_root, val_root = (str(tmp_path / 'images' / s) for s in ('train', 'val'))
    config.write_text(text.replace('IMAGES', train_root, 1).replace('IMAGES', val_root))
    trained = train(config, tmp_path / 'run')

    inferencer = ImageClassificationInferencer(str(config), pretrained=trained)
    file = str(tmp_path / 'images/val/dog/1.png')
    (result,) = inferencer(file)
    dataset = DATASETS.build(inferencer.config.val_dataloader.dataset)
    assert dataset.get_data_info(3)['img_path'] == file
    expected = scores_of_test_set(inferencer.model, dataset, 3)
    np.testing.assert_allclose(result['pred_scores'], expected, rtol=1e-5)
    assert result['pred_class'] == ('cat', 'dog')[expected.argmax()]
