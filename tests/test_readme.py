# Copyright (c) ccsam_mm contributors. All rights reserved.
"""README's configs, saved as it says and trained as a user types it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import mmpretrain
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner.checkpoint import save_checkpoint
from mmpretrain import get_model
from sklearn.datasets import load_digits

import ccsam_mm  # noqa: F401

REPO = Path(__file__).parents[1]
README = (REPO / 'README.md').read_text()
# A small network on small images; everything else is README's.
OPTIONS = [
    'model.backbone.depth=18',
    'model.backbone.base_channels=8',
    'model.head.in_channels=64',
    'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0',
    'test_dataloader.num_workers=0',
    'train_dataloader.dataset.pipeline.1.scale=32',
    'train_cfg.max_epochs=1',
    'optim_wrapper.optimizer.lr=0.01',
]


def example(name):
    """The Python block behind a marker in README."""
    pattern = rf'<!-- example: {name} -->\n```python\n(.*?)```'
    return re.search(pattern, README, re.DOTALL).group(1)


@pytest.fixture
def project(tmp_path):
    """A clone in which a user has saved README's configs and five kinds of digits."""
    shutil.copytree(REPO / 'configs', tmp_path / 'configs')
    pixels, labels = load_digits(n_class=5, return_X_y=True)
    counts = [30, 20, 10, 4, 2]
    for label, count in enumerate(counts):
        images = pixels[labels == label].reshape(-1, 8, 8) * 15
        for split, part in (('train', images[:count]), ('val', images[40:46])):
            folder = tmp_path / 'data/flowers' / split / f'digit_{label}'
            folder.mkdir(parents=True)
            for i, image in enumerate(part):
                cv2.imwrite(str(folder / f'{i}.png'), cv2.resize(image, (40, 40)))
    (tmp_path / 'configs/flowers_r50.py').write_text(example('folder'))
    return tmp_path


def train_stages(project, base, options, more=''):
    """Type in README's two stages of a config, and return what the second measures."""
    for stage in ('stage1', 'stage2'):
        config = example(stage).replace('my_resnet50', base) + more
        (project / f'configs/{base}_{stage}.py').write_text(config)
    command = ['bash', str(REPO / 'tools/train_stages.sh'), f'configs/{base}']
    result = subprocess.run(
        [*command, '--cfg-options', *options],
        cwd=project,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert 'clean_objective' in result.stdout + result.stderr  # CC-SAM, stage 1
    assert 'loss_adv' in result.stdout + result.stderr  # stage 2
    work_dir = project / f'work_dirs/{base}_stage2'
    return json.loads((work_dir / 'metrics.json').read_text())


@pytest.mark.slow
def test_own_folder_of_images_in_two_stages(project):
    metrics = train_stages(project, 'flowers_r50', OPTIONS)
    # The test finds the training counts in the checkpoint.
    assert metrics['accuracy/class_counts'] == [30, 20, 10, 4, 2]
    assert {'accuracy/top1', 'accuracy/medium', 'accuracy/few'} <= set(metrics)


@pytest.mark.slow
def test_config_of_mmpretrain_in_two_stages(project):
    """Without our bases, which have hooks and metrics that README's lines may lack."""
    upstream = Path(mmpretrain.__path__[0], '.mim/configs/_base_')
    if not upstream.exists():
        pytest.skip('this MMPretrain brings no configs')
    parts = ['models/resnet50', 'datasets/imagenet_bs32', 'schedules/imagenet_bs256']
    bases = [str(upstream / f'{part}.py') for part in (*parts, 'default_runtime')]
    (project / 'configs/my_resnet50.py').write_text(f"""_base_ = {bases}
data_preprocessor = dict(num_classes=5)
model = dict(head=dict(num_classes=5, topk=1))
folder = dict(_delete_=True, type='CustomDataset', pipeline=_base_.train_pipeline)
train_dataloader = dict(dataset=dict(folder, data_root='data/flowers/train'))
val_dataloader = dict(dataset=dict(folder, data_root='data/flowers/val'))
test_dataloader = dict(dataset=dict(folder, data_root='data/flowers/val'))
""")
    metrics = train_stages(project, 'my_resnet50', OPTIONS, example('tail'))
    assert {'accuracy/top1', 'accuracy/medium', 'accuracy/few'} <= set(metrics)
    trained = (
        project / 'work_dirs/my_resnet50_stage2/my_resnet50_stage2.py'
    ).read_text()
    assert 'CosineAnnealingLR' in trained and 'MultiStepLR' not in trained


@pytest.mark.slow
def test_a_single_image(tmp_path, monkeypatch):
    """With an untrained network, whose answer is any digit."""
    cfg = Config.fromfile(REPO / 'configs/ccsam/digits_lt_r20_stage2.py')
    checkpoint = tmp_path / 'work_dirs/digits_lt_r20_stage2/epoch_30.pth'
    checkpoint.parent.mkdir(parents=True)
    save_checkpoint(dict(state_dict=get_model(cfg).state_dict()), str(checkpoint))
    cv2.imwrite(str(tmp_path / 'nine.png'), np.uint8(load_digits().images[9] * 15))
    (tmp_path / 'configs').symlink_to(REPO / 'configs')
    monkeypatch.chdir(tmp_path)
    printed = []
    exec(example('inferencer'), dict(print=printed.append))
    assert len(printed) == 1 and printed[0] in map(str, range(10))


def test_commands_name_what_exists():
    for path in re.findall(r'(?:tools|configs|docs|ccsam_mm)/[\w/.]+\w', README):
        found = (REPO / path).exists() or list(REPO.glob(f'{path}*'))
        assert found or path.startswith('configs/flowers'), path


def test_three_lines_are_three():
    lines = [x for x in example('stage1').splitlines() if x and '_base_' not in x]
    assert len(lines) == 3
