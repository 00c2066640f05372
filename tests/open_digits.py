# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Digits of eight known classes and two unknown ones, and a small network."""

import torch
from mmengine.config import Config
from mmpretrain.registry import DATASETS, METRICS, MODELS

from ccsam_mm.evaluation import OpenSetMetric

KNOWN, UNKNOWN = list('01234567'), list('89')
PIPELINE = [dict(type='Resize', scale=(8, 8)), dict(type='PackInputs')]
MODEL = dict(
    type='ImageClassifier',
    backbone=dict(type='CIFARResNet', depth=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=8, in_channels=64),
    data_preprocessor=dict(num_classes=8, mean=[78.0] * 3, std=[95.0] * 3),
)
SCORES = ['energy', dict(type='hybrid', temperature=2.0), 'openmax']


@METRICS.register_module(name='RecordScores', force=True)
class RecordScores(OpenSetMetric):
    """Keeps what it is given."""

    def compute_metrics(self, results):
        self.recorded = results
        return dict(images=len(results))


def known(split, pipeline=PIPELINE, classes=KNOWN, **changes):
    """Config of the known digits of a split."""
    # Serialising data would run the garbage collector for every data set.
    data = dict(type='DigitsLT', split=split, serialize_data=False, **changes)
    data.update(pipeline=pipeline)
    return dict(type='ClassSubset', dataset=data, classes=classes)


def open_set(split, pipeline=PIPELINE):
    """Config of the known and the unknown digits of a split."""
    parts = (known(split, pipeline, classes) for classes in (KNOWN, UNKNOWN))
    return dict(zip(('type', 'known', 'unknown'), ('OpenSet', *parts)))


def loader(dataset, batch_size=50):
    """Config of a data loader without workers."""
    return dict(
        batch_size=batch_size,
        num_workers=0,
        dataset=dataset,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )


def config(
    work_dir, scores=SCORES, threshold=0.0, metric_type='OpenSetMetric', **changes
):
    """Config of a test on the open set, with a validation on other images."""
    names = [s if isinstance(s, str) else s['type'] for s in scores]

    def metrics(threshold):
        options = dict(type=metric_type, threshold=threshold)
        return [dict(options, score=s, prefix=n) for s, n in zip(scores, names)]

    # A flip tells the pipeline of the training from that of the test.
    train = loader(known('train', [dict(type='RandomFlip', prob=1.0), *PIPELINE]))
    cfg = dict(
        model=MODEL,
        train_dataloader=train,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        val_dataloader=loader(open_set('val')),
        val_cfg=dict(),
        val_evaluator=metrics(0.0),
        test_dataloader=loader(open_set('test')),
        test_cfg=dict(),
        test_evaluator=metrics(threshold),
        custom_hooks=[dict(type='OpenSetHook')],
        custom_imports=dict(imports=['ccsam_mm']),
        default_scope='mmpretrain',
        env_cfg=dict(mp_cfg=dict(mp_start_method='fork')),
        work_dir=str(work_dir),
    )
    cfg = Config(cfg)
    cfg.merge_from_dict(changes)
    return cfg


def train_model(iterations=40):
    """A network that knows some of the digits."""
    torch.manual_seed(0)
    model = MODELS.build(MODEL)
    data = DATASETS.build(known('train'))
    items = [data[i] for i in range(len(data))]
    batch = {key: [item[key] for item in items] for key in items[0]}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(iterations):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        optimizer.zero_grad()
        losses['loss'].backward()
        optimizer.step()
    return model.eval()


def save_checkpoint(model, path):
    """Write what MMEngine would write."""
    meta = dict(dataset_meta=dict(classes=KNOWN))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


def images_of(dataset):
    """Inputs of single images and their labels."""
    for i in range(len(dataset)):
        yield dataset[i]['inputs'], int(dataset[i]['data_samples'].gt_label)


@torch.no_grad()
def look_at(model, dataset):
    """Features ``(N, d)``, logits ``(N, K)`` and labels ``(N, )``, image by image."""
    features, logits, labels = [], [], []
    for image, label in images_of(dataset):
        inputs = model.data_preprocessor(dict(inputs=[image]))['inputs']
        feature = model.extract_feat(inputs)[-1]
        features.append(feature[0])
        logits.append(model.head.fc(feature)[0])
        labels.append(label)
    return torch.stack(features), torch.stack(logits), torch.tensor(labels)
