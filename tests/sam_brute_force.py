# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The SAM family by brute force, from the papers; shares no code with the package.

Copy the model, differentiate, move the copy's parameters entry by entry, differentiate
the copy again.
"""

import copy
import math
import random

import numpy as np
import torch
from mmengine.model import BaseModel


class TinyDetector(BaseModel):
    """No classifier: its own data, several losses, one of them a list.

    With ``noise``, the forward draws from every random generator there is.
    """

    def __init__(self, noise=False, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.box = torch.nn.Conv2d(4, 2, 1)
        self.score = torch.nn.Linear(4, 1)
        self.noise = noise
        self.register_buffer('num_images', torch.zeros(()))
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.5)

    def forward(self, inputs, boxes=None, scores=None, mode='tensor'):
        """Losses, or the predicted boxes and scores."""
        features = self.norm(self.conv(inputs)).tanh()
        if self.noise:
            features = torch.nn.functional.dropout(features, 0.5)
            features = features * (random.random() + np.random.rand())
        predicted = self.box(features).mean(dim=(2, 3))
        score = self.score(features.mean(dim=(2, 3)))[:, 0]
        if mode == 'tensor':
            return predicted, score
        self.num_images += len(inputs)
        return dict(
            loss_box=[(predicted - boxes)[:, i].square() for i in range(2)],
            loss_score=(score - scores).abs().mean(),
            mean_score=score.mean(),
        )


def detector_batch(size=4, seed=0, dtype=torch.float64):
    """Random images with random targets."""
    generator = torch.Generator().manual_seed(seed)
    draw = [(size, 3, 6, 6), (size, 2), (size,)]
    draw = [torch.randn(s, generator=generator, dtype=dtype) for s in draw]
    return dict(inputs=draw[0], boxes=draw[1], scores=draw[2])


def detector_loss(network, batch):
    """What MMEngine adds up from the losses of :class:`TinyDetector`."""
    boxes, scores = network(batch['inputs'])
    squares = (boxes - batch['boxes']) ** 2
    return squares[:, 0].mean() + squares[:, 1].mean() + (
        scores - batch['scores']
    ).abs().mean()  # fmt: skip


def gradients(network, loss):
    """Gradients by name, zero for what the loss does not use."""
    named = dict(network.named_parameters())
    grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(p) if grad is None else grad
        for (name, p), grad in zip(named.items(), grads)
    }


def perturbed_copy(model, grads, rho, adaptive=False, eta=0.01):
    """A copy of the model at ``w + rho T^2 g / ||T g||``."""
    factors = {name: torch.ones_like(grad) for name, grad in grads.items()}
    if adaptive:
        for name, parameter in model.named_parameters():
            if name.endswith('weight'):
                factors[name] = parameter.detach().abs() + eta
    squares = [(factors[n] * g).flatten().tolist() for n, g in grads.items()]
    norm = math.sqrt(sum(entry**2 for entries in squares for entry in entries))
    network = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if norm > 0:
                parameter += rho / norm * factors[name] ** 2 * grads[name]
    return network


def sam_gradients(model, loss_of, **options):
    """Gradient of SAM, or of ASAM with ``adaptive=True``.

    Args:
        loss_of (Callable): ``network -> loss`` of the batch.
    """
    first = copy.deepcopy(model)
    second = perturbed_copy(model, gradients(first, loss_of(first)), **options)
    return gradients(second, loss_of(second))


def tail_gradients(model, image_losses_of, is_tail, **options):
    """Gradient of ImbSAM: ``L_head(w) + L_tail(w + eps)``.

    Args:
        image_losses_of (Callable): ``network -> (B, )`` losses.
        is_tail (List[bool]): Whether an image's class belongs to the tail.
    """
    head, first = copy.deepcopy(model), copy.deepcopy(model)
    rows = torch.tensor(is_tail)
    tail_loss = image_losses_of(first)[rows].sum() / len(rows)
    second = perturbed_copy(model, gradients(first, tail_loss), **options)
    parts = (
        gradients(head, image_losses_of(head)[~rows].sum() / len(rows)),
        gradients(second, image_losses_of(second)[rows].sum() / len(rows)),
    )
    return {name: parts[0][name] + parts[1][name] for name in parts[0]}


def focal_gradients(
    model, image_losses_of, labels, counts, gamma, sharpness_weight, **options
):
    """Gradient of Focal-SAM: ``L(w) + lambda (L^gamma(w + eps) - L^gamma(w))``."""
    shares = [count / sum(counts) for count in counts]

    def focal_loss(network):
        losses = image_losses_of(network)
        parts = [(1 - shares[c]) ** gamma * loss for c, loss in zip(labels, losses)]
        return sum(parts) / len(labels)

    plain, first = copy.deepcopy(model), copy.deepcopy(model)
    plain_grads = gradients(plain, image_losses_of(plain).mean())
    clean = gradients(first, focal_loss(first))
    second = perturbed_copy(model, clean, **options)
    sharp = gradients(second, focal_loss(second))
    return {
        name: grad + sharpness_weight * (sharp[name] - clean[name])
        for name, grad in plain_grads.items()
    }


def penalty_gradients(model, loss_of, share, **options):
    """Gradient of GNP: ``(1 - share) g(w) + share g(w + eps)``."""
    plain = copy.deepcopy(model)
    clean = gradients(plain, loss_of(plain))
    sharp = sam_gradients(model, loss_of, **options)
    return {
        name: (1 - share) * grad + share * sharp[name] for name, grad in clean.items()
    }


def noise_gradients(model, loss_of, noises):
    """Mean gradient at ``w + noise``, over dictionaries of noise by name."""
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for noise in noises:
        network = copy.deepcopy(model)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter += noise[name]
        for name, grad in gradients(network, loss_of(network)).items():
            total[name] += grad / len(noises)
    return total
