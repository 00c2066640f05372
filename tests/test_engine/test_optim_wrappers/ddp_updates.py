# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Run by torchrun: one update per case under MMDistributedDataParallel with gloo.

usage: torchrun --nproc_per_node N ddp_updates.py OUT_DIR
"""

import copy
import gc
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.runner import FlexibleRunner
from tiny_network import tiny_batch, tiny_model
from torch.utils.data import DataLoader
from updates import COUNTS, sgd_updates

import ccsam_mm  # noqa: F401

# Ranks hold other classes, and one class (0) is on two ranks.
LABELS = [[0, 0, 0, 1, 1, 4], [0, 2, 2, 2, 2, 2], [3, 3, 1, 4, 4, 4]]
# By their names, for a parameter that no loss uses is not among them.
EVERYTHING = ['backbone', 'head']
CASES = dict(
    local=dict(),
    local_accumulated=dict(accumulative_counts=2),
    synced=dict(sync_classes=True),
    synced_class_mean=dict(sync_classes=True, class_reduction='class'),
    routed=dict(perturb=EVERYTHING),
    routed_synced=dict(perturb=EVERYTHING, sync_classes=True),
    routed_synced_class_mean=dict(
        perturb=EVERYTHING, sync_classes=True, class_reduction='class'
    ),
)
# With class weights, the mean of which is each rank's own.
CLASS_WEIGHT = [0.25, 0.5, 1.0, 2.0, 3.0]
WEIGHTED_CASES = dict(
    weighted=dict(),
    weighted_synced=dict(sync_classes=True),
    weighted_routed=dict(perturb=EVERYTHING),
    weighted_routed_synced=dict(perturb=EVERYTHING, sync_classes=True),
)
# Other ways of DDP to the update of a case.
DDP_CASES = dict(
    unused=('local', dict(find_unused_parameters=True)),
    static=('local', dict(static_graph=True)),
    routed_unused=('routed', dict(find_unused_parameters=True)),
    routed_static=('routed_synced', dict(static_graph=True)),
)
SAM_CASES = dict(
    sam=dict(type='SAMOptimWrapper'),
    sam_synced=dict(type='SAMOptimWrapper', sync_ascent=True),
    asam_accumulated=dict(type='SAMOptimWrapper', adaptive=True, accumulative_counts=2),
    penalty=dict(type='SAMOptimWrapper', perturbed_weight=0.8),
    penalty_synced=dict(type='SAMOptimWrapper', perturbed_weight=0.8, sync_ascent=True),
    # The tail is class 4, which is not on every rank.
    imbsam=dict(type='ImbSAMOptimWrapper', tail_threshold=2, class_counts=COUNTS),
    imbsam_synced=dict(
        type='ImbSAMOptimWrapper',
        tail_threshold=8,
        class_counts=COUNTS,
        sync_ascent=True,
    ),
)
RHO = 0.5
CCSAM = dict(
    type='CCSAMOptimWrapper', optimizer=dict(type='SGD', lr=1.0), class_counts=COUNTS
)


def batch_of(rank):
    """The batch of a rank."""
    return tiny_batch(LABELS[rank], seed=rank)


def still_model(**loss):
    """Batch norm by running statistics, so that ranks do not couple images."""
    model = tiny_model(**loss)
    model.backbone.norm.eval()
    model.backbone.norm.train = lambda mode=True: model.backbone.norm
    return model


def weighted_model():
    """With a loss that divides by the sum of the images' weights."""
    loss = dict(type='SoftmaxFocalLoss', gamma=0.0, class_weight=CLASS_WEIGHT)
    return still_model(**loss)


def ccsam_update(rank, options, build=still_model, **ddp_options):
    """This rank's update with CC-SAM, and that of a parameter that no loss uses."""
    model = build()
    if ddp_options:
        model.unused = torch.nn.Parameter(torch.ones(2))
    start = copy.deepcopy(model.state_dict())
    wrapper = build_optim_wrapper(model, dict(CCSAM, **options))
    wrapped = MMDistributedDataParallel(model, **ddp_options)
    # A static graph is learned in the first step and used from the second.
    for _ in range(3 if ddp_options else options.get('accumulative_counts', 1)):
        model.load_state_dict(start)
        update = sgd_updates(wrapped, batch_of(rank), wrapper)
    return {key[len('module.') :]: u for key, u in update.items()}


def flexible_update(rank, work_dir):
    """The same with MMEngine's FlexibleRunner."""
    model = still_model()
    model._is_init = True  # the weights are random enough
    before = copy.deepcopy(model.state_dict())
    FlexibleRunner(
        model,
        work_dir=str(work_dir),
        experiment_name=f'rank{rank}',
        train_dataloader=DataLoader([batch_of(rank)], collate_fn=list.pop),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=CCSAM,
        # No GPU, no device ids.
        strategy=dict(type='DDPStrategy', model_wrapper=dict(device_ids=None)),
        launcher='pytorch',
        default_hooks=dict(checkpoint=None),
        default_scope='mmpretrain',
        log_level='ERROR',
    ).train()
    return {name: before[name] - p.detach() for name, p in model.named_parameters()}


def sam_update(rank, options, **ddp_options):
    """This rank's update with a wrapper of the SAM family, batch norm as it is."""
    model = tiny_model()
    if ddp_options.get('find_unused_parameters'):
        model.unused = torch.nn.Parameter(torch.ones(2))
    config = dict(optimizer=dict(type='SGD', lr=1.0), rho=RHO, **options)
    wrapper = build_optim_wrapper(model, config)
    wrapped = MMDistributedDataParallel(model, **ddp_options)
    for _ in range(options.get('accumulative_counts', 1)):
        update = sgd_updates(wrapped, batch_of(rank), wrapper)
    return {key[len('module.') :]: u for key, u in update.items()}


def sam_updates(rank):
    """This rank's updates of every case of the SAM family."""
    updates = {case: sam_update(rank, options) for case, options in SAM_CASES.items()}
    updates['sam_unused'] = sam_update(
        rank, SAM_CASES['sam_synced'], find_unused_parameters=True
    )
    try:
        sam_update(rank, SAM_CASES['sam'], static_graph=True)
    except ValueError as error:
        updates['static_graph'] = str(error)
    return updates


def main():
    """Save this rank's updates of every case."""
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    out_dir = Path(sys.argv[1])
    updates = {name: ccsam_update(rank, options) for name, options in CASES.items()}
    for name, options in WEIGHTED_CASES.items():
        updates[name] = ccsam_update(rank, options, weighted_model)
    for name, (case, ddp_options) in DDP_CASES.items():
        updates[name] = ccsam_update(rank, CASES[case], **ddp_options)
    updates['flexible'] = flexible_update(rank, out_dir / 'work_dir')
    updates.update(sam_updates(rank))
    torch.save(updates, out_dir / f'rank{rank}.pth')
    gc.collect()  # models in reference cycles hold threads of gloo
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
