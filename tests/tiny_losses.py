# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Losses of images of a tiny network, and of quadratics with a known spectrum."""

import torch
import torch.nn.functional as F
from tiny_network import tiny_batch, tiny_model

from ccsam_mm.analysis.landscape import Batch, ImageLosses, record_images
from ccsam_mm.engine.passes.perturbed_parameters import matching_parameters


def image_cross_entropy(scores, labels):
    """One loss per image."""
    return F.cross_entropy(scores, labels, reduction='none')


def tiny_losses(perturb='head', labels=((0, 1, 4), (2, 0)), model=None, **options):
    """The model, its batches and the losses of its images."""
    model = (model or tiny_model(**options)).requires_grad_(False).eval()
    loader = [tiny_batch(list(own), seed=i) for i, own in enumerate(labels)]
    names = matching_parameters(model, perturb)
    images = sum(map(len, labels))
    losses = record_images(model, names, loader, image_cross_entropy, images, 5)
    return model, loader, losses


class Quadratic(torch.nn.Module):
    """Image i's loss is w^T A_i w / 2 + b_i^T w, with w all parameters."""

    def __init__(self, matrices, slopes, start):
        super().__init__()
        self.w = torch.nn.Parameter(start, requires_grad=False)
        self.matrices, self.slopes = matrices, slopes

    def forward(self, index):
        """Losses of the images of these indices."""
        curved = torch.einsum('i,nij,j->n', self.w, self.matrices[index], self.w) / 2
        return curved + self.slopes[index] @ self.w


def quadratic_losses(matrices, slopes, start, labels, batch=2):
    """Losses that are quadratic, in batches of a few images."""
    model = Quadratic(matrices, slopes, start)
    labels = torch.tensor(labels)
    batches = [
        Batch((torch.arange(len(labels))[i : i + batch],), {}, labels[i : i + batch])
        for i in range(0, len(labels), batch)
    ]
    return ImageLosses(model, ['w'], batches, lambda scores, labels: scores)
