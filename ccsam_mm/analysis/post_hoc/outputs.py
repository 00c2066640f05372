# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Records what a classifier makes of a data set."""

from typing import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ccsam_mm.evaluation.metrics.closed_set_batch import check_labels
from ccsam_mm.evaluation.open_set.feature_recorder import are_softmax
from ccsam_mm.evaluation.post_hoc import Outputs
from ccsam_mm.evaluation.reported_batches import reported_batches

TOOL = 'post_hoc.py'


@torch.no_grad()
def record_outputs(
    model: nn.Module,
    dataloader: DataLoader,
    what: str,
    report: Callable[[str], None] = lambda line: None,
) -> Outputs:
    """Run a classifier over a data set once, and keep features and scores.

    Args:
        model (nn.Module): A classifier of MMPretrain in evaluation mode.
        dataloader (DataLoader): The images.
        what (str): What they are, for messages.
        report (Callable): Called with lines about the progress. Defaults to a
            function that does nothing.

    Returns:
        Outputs: On the CPU, in single precision: 4 bytes for each entry of a feature.

    Raises:
        ValueError: If the classifier has no feature vector for each image, predicts
            something else than the softmax of its scores, or gives NaN or infinity.
    """
    if not all(hasattr(model, part) for part in ('extract_feat', 'head')):
        raise ValueError(
            f'{type(model).__name__} is no classifier with features and a head, which '
            f'{TOOL} needs: use the config of one such as ImageClassifier.'
        )
    features, logits, labels = [], [], []
    for batch in reported_batches(dataloader, report, what):
        data = model.data_preprocessor(batch, False)
        samples = data['data_samples']
        feats = model.extract_feat(data['inputs'])
        scores = model.head(feats)
        feature = _feature_vectors(model.head, feats, len(samples))
        if not features:
            _check_prediction(model, batch, scores)
        labels.append(torch.cat([sample.gt_label for sample in samples]).cpu())
        features.append(feature.float().cpu())
        logits.append(scores.float().cpu())
        _check_finite(features[-1], logits[-1], what)
        check_labels(labels[-1].numpy(), scores.shape[1], TOOL)
    if not features:
        raise ValueError(f'{what} have no image: correct their data set in the config.')
    return Outputs(*map(torch.cat, (features, logits, labels)))


def _feature_vectors(head: nn.Module, feats, size: int) -> Tensor:
    found = head.pre_logits(feats) if hasattr(head, 'pre_logits') else None
    if isinstance(found, Tensor) and found.ndim == 2 and len(found) == size:
        return found
    raise ValueError(
        f'{type(head).__name__} has no `pre_logits` of one feature vector per image, '
        f'which {TOOL} reads: use a checkpoint with a head such as LinearClsHead.'
    )


def _check_prediction(model: nn.Module, batch: dict, scores: Tensor) -> None:
    if not are_softmax(model.test_step(batch), scores):
        raise ValueError(
            f'{type(model.head).__name__} does not predict the softmax of its scores, '
            f'which {TOOL} assumes: use a checkpoint with a head such as '
            'LinearClsHead.'
        )


def _check_finite(features: Tensor, logits: Tensor, what: str) -> None:
    if not (features.isfinite().all() and logits.isfinite().all()):
        raise ValueError(
            f'{what} get features or scores that are NaN or infinite: use a '
            'checkpoint whose training has not diverged.'
        )
