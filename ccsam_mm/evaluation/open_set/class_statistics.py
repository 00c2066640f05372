# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Statistics of the training images for open-set scores."""

from typing import Callable, List, NamedTuple, Optional

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather_object, all_reduce
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ccsam_mm.evaluation.reported_batches import reported_batches

from .feature_recorder import FeatureRecorder


class ClassStatistics(NamedTuple):
    """Means per class of the training images, each image counted once.

    Args:
        prototypes (Tensor): The mean for each class of the features, which have length
            one for it, with length one again, ``(K, d)``.
        mean_logits (Tensor, optional): The mean for each class of the logits of its
            correctly classified images, or of all its images if none is, ``(K, K)``.
        distances (Tensor, optional): The distance of the logits of each correctly
            classified image to the mean of its class, ``(N, )``.
        distance_labels (Tensor, optional): The classes of these images, ``(N, )``.

    Examples:
        >>> import torch
        >>> from ccsam_mm.evaluation.open_set import ClassStatistics
        >>> ClassStatistics(prototypes=torch.eye(3)).mean_logits is None
        True
    """

    prototypes: Tensor
    mean_logits: Optional[Tensor] = None
    distances: Optional[Tensor] = None
    distance_labels: Optional[Tensor] = None


def collect_class_statistics(
    model: nn.Module,
    dataloader: DataLoader,
    with_distances: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> ClassStatistics:
    """Run a classifier over its training images.

    Each rank brings its own part of the images, and all get the same result. Sums are
    in double precision; features and logits are not kept, so that distances to a mean
    take a second run.

    Args:
        model (nn.Module): A classifier of MMPretrain in evaluation mode, without a
            wrapper for distributed training.
        dataloader (DataLoader): All training images once, without augmentation.
        with_distances (bool): Whether to collect the logits and distances that
            OpenMax needs. Defaults to False.
        report (Callable): Called with lines about the progress. Defaults to a
            function that does nothing.

    Returns:
        ClassStatistics: In single precision, on the CPU.
    """
    linear = FeatureRecorder(model, None).linear
    num_classes = linear.out_features
    features = _ClassSums(num_classes, linear.in_features)
    logits = _ClassSums(num_classes, num_classes)
    right_logits = _ClassSums(num_classes, num_classes)

    def add(feature, logit, labels, right):
        features.add(F.normalize(feature.double(), dim=1), labels)
        if with_distances:
            logits.add(logit, labels)
            right_logits.add(logit[right], labels[right])

    _run(model, dataloader, add, report, 'Means of the training features')
    prototypes = F.normalize(features.means(), dim=1).float()
    _check_counts(features.counts)
    if not with_distances:
        return ClassStatistics(prototypes)
    means, right_means = logits.means(), right_logits.means()
    means = torch.where(right_logits.counts[:, None] > 0, right_means, means)
    found = []

    def measure(feature, logit, labels, right):
        distance = (logit - means[labels]).norm(dim=1)
        found.append((distance[right], labels[right]))

    _run(model, dataloader, measure, report, 'Distances to the mean logits')
    found = [pair for part in all_gather_object(found) for pair in part]
    distances, labels = (torch.cat(column) for column in zip(*found))
    return ClassStatistics(prototypes, means.float(), distances.float(), labels)


def _run(
    model: nn.Module,
    dataloader: DataLoader,
    receive: Callable[[Tensor, Tensor, Tensor, Tensor], None],
    report: Callable[[str], None],
    what: str,
) -> None:
    """Pass on features, logits, labels and correctness, on the CPU."""

    def record(features: Tensor, logits: Tensor, data_samples: List) -> None:
        labels = torch.cat([sample.gt_label for sample in data_samples]).cpu()
        _check_labels(labels, logits.shape[1])
        logits = logits.cpu().double()
        receive(features.cpu(), logits, labels, logits.argmax(dim=1) == labels)

    recorder = FeatureRecorder(model, record)
    for batch in reported_batches(dataloader, report, what):
        recorder.arm()
        with torch.no_grad():
            model.test_step(batch)


class _ClassSums:
    """Sums of vectors by class, finally over all ranks."""

    def __init__(self, num_classes: int, size: int):
        self.sums = torch.zeros(num_classes, size, dtype=torch.float64)
        self.counts = torch.zeros(num_classes, dtype=torch.int64)

    def add(self, vectors: Tensor, labels: Tensor) -> None:
        self.sums.index_add_(0, labels, vectors.double())
        self.counts += torch.bincount(labels, minlength=len(self.counts))

    def means(self) -> Tensor:
        """Means with shape ``(K, size)``; call it once, on all ranks."""
        all_reduce(self.sums)
        all_reduce(self.counts)
        return self.sums / self.counts.clamp(min=1)[:, None]


def _check_labels(labels: Tensor, num_classes: int) -> None:
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f'The training data set has the labels {int(labels.min())} to '
            f'{int(labels.max())}, but the head has {num_classes} classes: set '
            '`train_dataset` of OpenSetHook to the data set of the known classes.'
        )


def _check_counts(counts: Tensor) -> None:
    empty = (counts == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f'The training data set has no image of class {empty[0]} ({len(empty)} of '
            f'{len(counts)} classes are empty), so it has no prototype: set '
            '`train_dataset` of OpenSetHook to the data set of all known classes.'
        )
