# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Classifiers without training, from the features and last layer of a checkpoint.

tau_norm, nearest_mean, logit_adjustment, prior_correction and temperature, which
docs/methods.md explains. Parameters are chosen on the validation images of the config,
never on the test images. The results are printed, and written beside the checkpoint, as
<checkpoint>.post_hoc.json with a picture.
"""

import argparse
import os.path as osp
import sys

sys.path.append(osp.dirname(osp.dirname(osp.abspath(__file__))))

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config', 'checkpoint')

import numpy as np
import torch
from tool_utils import (
    add_common_args,
    build_runner,
    check_data,
    load_config,
    merge_cfg_options,
    merge_common_args,
    merge_dataloader_args,
)

from ccsam_mm.analysis.post_hoc import (
    evaluate_methods,
    plot_results,
    post_hoc_table,
    read_prior,
    record_sets,
    report_content,
    save_path,
    save_result,
)
from ccsam_mm.analysis.post_hoc.last_layer import (
    last_layer,
    last_layer_name,
    no_layer,
    score_scale,
)
from ccsam_mm.analysis.post_hoc.notes import notes
from ccsam_mm.evaluation.class_priors import class_prior
from ccsam_mm.evaluation.open_set.statistics_file import beside_checkpoint, file_hash
from ccsam_mm.evaluation.post_hoc import post_hoc_methods
from ccsam_mm.utils.config_errors import named_keys
from ccsam_mm.utils.results_file import check_writable, dump_whole

FIELDS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--test-prior',
        default='uniform',
        help="class frequencies of the test to choose for: 'uniform' (default), "
        "'forward:R' or 'backward:R', long-tailed with ratio R like the training or "
        'the other way round, or a file of one number for each class (a JSON list, or '
        'text)',
    )
    parser.add_argument(
        '--save',
        nargs='+',
        metavar=('METHOD', 'OUT'),
        help='write the chosen classifier of a method as a checkpoint that '
        'tools/test.py loads with this config, <checkpoint>.METHOD.pth by default; '
        'METHOD:VALUE takes another value, as in tau_norm:0.7',
    )
    parser.add_argument('--out', help='the JSON file to write instead')
    parser.add_argument('--work-dir', help='the directory to save logs')
    add_common_args(parser)
    args = parser.parse_args()
    if args.launcher != 'none':
        parser.error('--launcher: this tool runs in one process.')
    if args.save and len(args.save) > 2:
        parser.error('--save: give a method, and at most one file.')
    if args.out and not args.out.endswith('.json'):
        parser.error(f'--out {args.out}: name a .json file.')
    return args


def merge_args(cfg, args):
    """Merge CLI arguments to config; return the files to write, and the test prior."""
    merge_common_args(cfg, args)
    cfg.load_from, cfg.resume = args.checkpoint, False
    overrides = dict(pin_memory=False) if args.no_pin_memory else {}
    merge_dataloader_args(cfg, FIELDS[1:], {}, overrides)
    merge_cfg_options(cfg, args)
    for field, why in zip(
        FIELDS, ('counts and features of the classes', 'images to choose parameters on')
    ):
        if (cfg.get(field) or {}).get('dataset') is None:
            raise ValueError(
                f'{args.config} has no `{field}`, and so no {why}: add it, with a '
                'dataset.'
            )
    out = args.out or beside_checkpoint(args.checkpoint, '.post_hoc.json', cfg.work_dir)
    check_writable(out, '--out')
    saved = None
    if args.save:
        saved = save_path(args.save, args.checkpoint, cfg.work_dir)
        check_writable(saved, '--save')
    return out, saved, read_prior(args.test_prior)


def show(results, sets, lines, target):
    """Print the tables, below what limits them."""
    print('\n' + '\n'.join(lines))
    how = 'the test images' if sets.on_test_images else 'the validation images'
    print(f'\nOn {how}, where the parameters were chosen, in percent:\n')
    print(post_hoc_table(results, 'val', target))
    if sets.test is not None and not sets.on_test_images:
        print('\nOn the test images, in percent:\n')
        print(post_hoc_table(results, 'test', target))


def main():
    args = parse_args()
    cfg = load_config(args.config)
    out, saved, spec = merge_args(cfg, args)
    check_data(cfg, FIELDS)
    with named_keys(cfg):
        runner = build_runner(cfg)
    head = getattr(runner.model, 'head', None)
    layer_name = last_layer_name(head)
    if args.save and layer_name is None:
        raise ValueError(no_layer(args.save[0], head))
    with named_keys(cfg):
        sets = record_sets(runner)
    counts = sets.class_counts
    prior = class_prior(spec, counts, f'--test-prior {args.test_prior}')
    layer = last_layer(head, layer_name, sets.val)
    methods = post_hoc_methods(
        sets.train,
        sets.val,
        torch.tensor(counts).double() / sum(counts),
        torch.from_numpy(prior),
        layer,
        score_scale(head),
    )
    name = args.save[0] if args.save else None
    results = evaluate_methods(methods, sets, prior, by_hand=name)
    lines = notes(cfg, head, sets, layer is not None)
    target = '' if np.ptp(prior) == 0 else args.test_prior
    show(results, sets, lines, target)
    report = dict(
        checkpoint=args.checkpoint,
        sha256=file_hash(args.checkpoint),
        class_counts=counts,
        test_prior=prior,
        chosen_on_test_images=sets.on_test_images,
        notes=lines,
        methods=report_content(results),
    )
    dump_whole(report, out)
    picture = f'{osp.splitext(out)[0]}.png'
    images = 'test images' if sets.on_test_images else 'validation images'
    plot_results(results, picture, target or 'class mean', f'Chosen on the {images}')
    print(f'\nWritten to {out}, with a picture beside it.')
    if name:
        result = next(r for r in reversed(results) if name in (r.name, r.method.name))
        layer_name = None if layer is None else layer_name
        save_result(result, runner.model, layer_name, args.checkpoint, saved)
        print(f'Saved {result.name} {result.chosen.name} as {saved}')


if __name__ == '__main__':
    main()
