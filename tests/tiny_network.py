# Copyright (c) ccsam_mm contributors. All rights reserved.
"""A network and batches so small that a test can follow every image."""

import torch
from mmengine.model import BaseDataPreprocessor, BaseModule
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample


@MODELS.register_module()
class TinyBackbone(BaseModule):
    """Convolution, batch norm, pooling: batch statistics couple the images."""

    def __init__(self, in_channels=3, channels=4):
        super().__init__()
        self.conv = torch.nn.Conv2d(in_channels, channels, 3)
        self.norm = torch.nn.BatchNorm2d(channels)

    def forward(self, x):
        """Features of shape ``(N, channels)``."""
        return (self.norm(self.conv(x)).tanh().mean(dim=(2, 3)),)


@MODELS.register_module()
class PlainBackbone(BaseModule):
    """A convolution, and no layer that couples images."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        """Features of shape ``(N, 4)``."""
        return (self.conv(x).tanh().mean(dim=(2, 3)),)


def tiny_model(num_classes=5, head=None, dtype=torch.float64, seed=0, **loss):
    """A classifier of the given head with random weights that are not small."""
    torch.manual_seed(seed)
    loss.setdefault('type', 'CrossEntropyLoss')
    head = dict(head or dict(type='LinearClsHead'))
    head.update(num_classes=num_classes, in_channels=4, loss=loss)
    model = ImageClassifier(backbone=dict(type='TinyBackbone'), head=head)
    model.data_preprocessor = BaseDataPreprocessor()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.to(dtype).train()


def tiny_batch(labels, num_classes=5, soft=False, dtype=torch.float64, seed=0):
    """Random images with the given labels, or with soft labels that prefer them."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(len(labels), 3, 6, 6, generator=generator, dtype=dtype)
    samples = []
    for label in labels:
        sample = DataSample().set_gt_label(label)
        if soft:
            score = torch.rand(num_classes, generator=generator, dtype=dtype)
            score[label] = 1.5
            sample.set_gt_score(score / score.sum())
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)
