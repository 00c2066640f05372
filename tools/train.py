# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Train a model, with the options of MMPretrain's `tools/train.py`."""

import argparse
import contextlib

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config', resume='--resume')  # before PyTorch is imported

from tool_utils import (
    add_common_args,
    build_runner,
    check_data,
    leave_process_group,
    load_config,
    merge_cfg_options,
    merge_common_args,
    merge_dataloader_args,
)

from ccsam_mm.utils.checkpoints import last_checkpoint
from ccsam_mm.utils.config_errors import named_keys
from ccsam_mm.utils.config_rules import check_config
from ccsam_mm.utils.launcher_watch import is_first_process
from ccsam_mm.utils.loading.resume import choose_resumed
from ccsam_mm.utils.mixed_precision import amp_twin
from ccsam_mm.utils.work_dir_lock import work_dir_lock


def parse_args():
    parser = argparse.ArgumentParser(
        description='Train a model',
        epilog='CCSAM_MM_DEBUG=1 in the environment shows the tracebacks of errors.',
    )
    parser.add_argument('config', help='train config file path')
    parser.add_argument('--work-dir', help='the dir to save logs and models')
    parser.add_argument(
        '--resume',
        nargs='?',
        type=str,
        const='auto',
        help='If specify checkpoint path, resume from it, while if not '
        'specify, try to auto resume from the latest checkpoint '
        'in the work directory.',
    )
    parser.add_argument(
        '--amp', action='store_true', help='enable automatic-mixed-precision training'
    )
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='whether not to evaluate the checkpoint during training',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='whether to auto scale the learning rate according to the '
        'actual batch size and the original batch size.',
    )
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='whether to disable the persistent_workers option in dataloaders.',
    )
    add_common_args(parser)
    return parser.parse_args()


def merge_args(cfg, args):
    """Merge CLI arguments to config."""
    merge_common_args(cfg, args)
    if args.no_validate:
        cfg.val_cfg = None
        cfg.val_dataloader = None
        cfg.val_evaluator = None
    if args.amp:
        wrapper = cfg.optim_wrapper
        wrapper.type = amp_twin(wrapper.get('type', 'OptimWrapper'))
        wrapper.setdefault('loss_scale', 'dynamic')
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise ValueError(
                '--auto-scale-lr needs the batch size for which the learning rate of '
                f'{args.config} is meant: add '
                '`auto_scale_lr=dict(base_batch_size=...)` to it.'
            )
        cfg.auto_scale_lr.enable = True
    overrides = {}
    if args.no_pin_memory:
        overrides['pin_memory'] = False
    if args.no_persistent_workers:
        overrides['persistent_workers'] = False
    merge_dataloader_args(
        cfg,
        ('train_dataloader', 'val_dataloader', 'test_dataloader'),
        dict(persistent_workers=True),
        overrides,
    )
    merge_cfg_options(cfg, args)
    if cfg.get('resume') and cfg.get('load_from') is None:
        # MMEngine would search where the work directory was during the training.
        cfg.load_from = last_checkpoint(cfg.work_dir)
    return cfg


def names_resumed(cfg, args):
    """Whether the user names the checkpoint to resume from."""
    is_last = cfg.get('load_from') == last_checkpoint(cfg.work_dir)
    return args.resume not in (None, 'auto') or not is_last


def main():
    args = parse_args()
    cfg = merge_args(load_config(args.config), args)
    check_config(cfg)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    named = names_resumed(cfg, args)
    hold = work_dir_lock if is_first_process(cfg.launcher) else contextlib.nullcontext
    with hold(cfg.work_dir), named_keys(cfg):
        runner = build_runner(cfg)
        choose_resumed(runner, is_named=named)
        runner.train()
    del runner
    leave_process_group()


if __name__ == '__main__':
    main()
