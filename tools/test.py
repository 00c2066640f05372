# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Test a model, with the options of MMPretrain's `tools/test.py`."""

import argparse
from copy import deepcopy

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config', 'checkpoint')  # before PyTorch is imported

from mmengine.config import ConfigDict
from mmengine.dist import master_only
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

from ccsam_mm.datasets.pipelines import parts_with_pipeline
from ccsam_mm.utils.config_errors import named_keys
from ccsam_mm.utils.results_file import DumpWholeResults, check_writable, dump_whole

METRICS_SUFFIXES = ('.json', '.yml', '.yaml', '.pkl', '.pickle')
PREDICTIONS_SUFFIXES = ('.pkl', '.pickle')


def parse_args():
    parser = argparse.ArgumentParser(
        description='Test (and eval) a model',
        epilog='CCSAM_MM_DEBUG=1 in the environment shows the tracebacks of errors.',
    )
    parser.add_argument('config', help='test config file path')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--work-dir',
        help='the directory to save the file containing evaluation metrics',
    )
    parser.add_argument('--out', help='the file to output results.')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='To output whether metrics or predictions. '
        'Defaults to output predictions.',
    )
    parser.add_argument(
        '--amp', action='store_true', help='enable automatic-mixed-precision test'
    )
    parser.add_argument(
        '--show-dir', help='directory where the visualization images will be saved.'
    )
    parser.add_argument(
        '--show',
        action='store_true',
        help='whether to display the prediction results in a window.',
    )
    parser.add_argument(
        '--interval', type=int, default=1, help='visualize per interval samples.'
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='display time of every window. (second)',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='Whether to enable the Test-Time-Aug (TTA). If the config file '
        'has `tta_pipeline` and `tta_model` fields, use them to determine the '
        'TTA transforms and how to merge the TTA results. Otherwise, use flip '
        'TTA by averaging classification score.',
    )
    add_common_args(parser)
    args = parser.parse_args()
    if args.out is None and args.out_item is not None:
        parser.error('--out-item needs --out, the file to write to.')
    if args.out is not None:
        # MMEngine would report it after the test, or without saying what to do.
        if args.out_item == 'metrics':
            suffixes, other = METRICS_SUFFIXES, ''
        else:
            suffixes, other = PREDICTIONS_SUFFIXES, ' (for metrics: --out-item metrics)'
        if not args.out.endswith(suffixes):
            parser.error(
                f'--out {args.out}: name a {" or ".join(suffixes)} file{other}.'
            )
    return args


def merge_visualization_args(cfg, args):
    """Enable the visualization hook for --show and --show-dir."""
    if not args.show and args.show_dir is None:
        return
    if 'visualization' not in cfg.get('default_hooks', {}):
        raise ValueError(
            '--show and --show-dir need the visualization hook: set in the config '
            "`default_hooks.visualization=dict(type='VisualizationHook')`."
        )
    cfg.default_hooks.visualization.update(
        enable=True,
        show=args.show,
        wait_time=args.wait_time,
        out_dir=args.show_dir,
        interval=args.interval,
    )


def merge_tta_args(cfg):
    """Wrap the model and all pipelines for test-time augmentation."""
    if 'tta_model' not in cfg:
        cfg.tta_model = dict(type='mmpretrain.AverageClsScoreTTA')
    flips = [dict(type='RandomFlip', prob=prob) for prob in (1.0, 0.0)]
    for dataset in parts_with_pipeline(cfg.test_dataloader.dataset):
        last = dataset.pipeline[-1]
        flipped = dict(type='TestTimeAug', transforms=[flips, [last]])
        default = [*dataset.pipeline[:-1], flipped]
        dataset.pipeline = deepcopy(cfg.get('tta_pipeline', default))
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def merge_args(cfg, args):
    """Merge CLI arguments to config."""
    merge_common_args(cfg, args)
    cfg.load_from = args.checkpoint
    if args.amp:
        cfg.test_cfg.fp16 = True
    merge_visualization_args(cfg, args)
    if args.tta:
        merge_tta_args(cfg)
    merge_dataloader_args(
        cfg,
        ('test_dataloader',),
        {},
        dict(pin_memory=False) if args.no_pin_memory else {},
    )
    merge_cfg_options(cfg, args)
    return cfg


def main():
    args = parse_args()
    cfg = merge_args(load_config(args.config), args)
    if args.out is not None:
        check_writable(args.out, '--out')
    check_data(cfg, ('test_dataloader',))
    with named_keys(cfg):
        runner = build_runner(cfg)
    if args.out and args.out_item != 'metrics':
        runner.test_evaluator.metrics.append(DumpWholeResults(args.out))
    with named_keys(cfg):
        metrics = runner.test()
    if args.out and args.out_item == 'metrics':
        master_only(dump_whole)(metrics, args.out)
    del runner
    leave_process_group()


if __name__ == '__main__':
    main()
