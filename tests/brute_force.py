# Copyright (c) ccsam_mm contributors. All rights reserved.
"""CC-SAM by brute force, from the paper's equations; shares no code with the package.

For every class of the batch: copy the whole model, differentiate the class's mean loss,
perturb the copy's parameters, differentiate the class's mean loss again, add up.
"""

import copy
import math

import torch


def cross_entropy(scores, targets, class_weight=None, smoothing=0.0):
    """Loss of each image from its soft target, ``(N, )``."""
    losses = []
    for score, target in zip(scores, targets):
        num_classes = len(target)
        target = (1 - smoothing) * target + smoothing / num_classes
        if class_weight is not None:
            target = target * torch.as_tensor(class_weight, dtype=score.dtype)
        log_partition = torch.logsumexp(score, dim=0)
        losses.append(-sum(t * (s - log_partition) for t, s in zip(target, score)))
    return torch.stack(losses)


def brute_force_gradients(
    model, batch, image_losses, class_counts, prefix='head', rho_scale=1.0,
    max_relative_norm=None, radius=None, class_reduction='sample',
    perturbed_weight=1.0, min_grad_norm=0.0, image_weights=None, radius_losses=None,
):  # fmt: skip
    """Gradient of every parameter by name (paper's Eq. 8 to 11).

    Args:
        image_losses (Callable): ``(scores, targets) -> (N, )``.
        image_weights (Tensor, optional): Weight of each image in the objective, which
            has no part in the radius, ``(B, )``.
        radius_losses (Callable, optional): Other losses for the radius; as above.
    """
    targets, classes = _targets(batch, len(class_counts))
    present = sorted(set(classes))
    if image_weights is None:
        image_weights = torch.ones(len(classes), dtype=batch['inputs'].dtype)

    def class_loss(network, label, losses, weights):
        scores = network(batch['inputs'], mode='tensor')
        rows = [i for i, c in enumerate(classes) if c == label]
        return (weights[rows] * losses(scores[rows], targets[rows])).mean()

    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for label in present:
        network = copy.deepcopy(model)
        parts = [p for n, p in network.named_parameters() if n.startswith(prefix)]
        radius_loss = radius_losses or image_losses
        loss = class_loss(network, label, radius_loss, torch.ones(len(classes)))
        grads = torch.autograd.grad(loss, parts, materialize_grads=True)
        weight_norm = math.sqrt(sum(float((p.detach() ** 2).sum()) for p in parts))
        grad_norm = math.sqrt(sum(float((g**2).sum()) for g in grads))
        k = sum(p.numel() for p in parts)
        images = max(class_counts[label] - 1, 1)
        length = 0.0
        if grad_norm > 0:
            rho = math.sqrt(weight_norm / (2 * max(grad_norm, min_grad_norm)))
            rho /= (k * images) ** 0.25
            length = rho_scale * math.sqrt(k) * rho if radius is None else radius
            if max_relative_norm is not None:
                length = min(length, max_relative_norm * weight_norm)
        with torch.no_grad():
            for part, grad in zip(parts, grads):
                part.add_(grad, alpha=length / grad_norm if grad_norm > 0 else 0.0)
        share = classes.count(label) / len(classes)
        if class_reduction == 'class':
            share = 1 / len(present)
        loss = class_loss(network, label, image_losses, image_weights)
        _accumulate(total, network, perturbed_weight * share * loss)
    network = copy.deepcopy(model)
    scores = network(batch['inputs'], mode='tensor')
    clean = (image_weights * image_losses(scores, targets)).mean()
    _accumulate(total, network, (1 - perturbed_weight) * clean)
    return total


def _targets(batch, num_classes):
    """Soft targets ``(N, K)`` and the class of each image."""
    targets, classes = [], []
    for sample in batch['data_samples']:
        if 'gt_score' in sample:
            targets.append(sample.gt_score)
            classes.append(max(range(num_classes), key=lambda c: sample.gt_score[c]))
        else:
            label = int(sample.gt_label)
            target = torch.zeros(num_classes, dtype=batch['inputs'].dtype)
            target[label] = 1
            targets.append(target)
            classes.append(label)
    return torch.stack(targets), classes


def _accumulate(total, network, loss):
    named = dict(network.named_parameters())
    grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    for name, grad in zip(named, grads):
        if grad is not None:
            total[name] += grad
