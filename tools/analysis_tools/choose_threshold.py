# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Choose the thresholds of OpenSetMetric on the validation images of a config.

The test images are never used. The thresholds are written beside the checkpoint, as
<checkpoint>.open_set.json with a picture for each score; threshold='auto' reads them.
"""

import argparse
import os.path as osp
import re
import sys

sys.path.append(osp.dirname(osp.dirname(osp.abspath(__file__))))

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config', 'checkpoint')

from mmengine.dist import is_main_process
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

from ccsam_mm.datasets.class_counts import class_names
from ccsam_mm.datasets.images_of_config import images_of
from ccsam_mm.evaluation.metrics.find_configs import open_set_configs
from ccsam_mm.evaluation.open_set import open_set_score_key
from ccsam_mm.evaluation.open_set.statistics_file import (
    THRESHOLDS_SUFFIX,
    beside_checkpoint,
    file_hash,
)
from ccsam_mm.evaluation.open_set.threshold_choice import CRITERIA, write_thresholds
from ccsam_mm.utils.config_errors import named_keys


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config with an open set for validation')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--criterion',
        choices=CRITERIA,
        default=CRITERIA[0],
        help='how the threshold is chosen: the largest F-measure, the largest '
        'difference between the accepted shares of known and unknown images, or 95 %% '
        'of the known images accepted; defaults to f_measure',
    )
    parser.add_argument('--work-dir', help='the directory to save logs')
    add_common_args(parser)
    return parser.parse_args()


def merge_args(cfg, args):
    """Merge CLI arguments to config, and replace its metrics by the choice."""
    merge_common_args(cfg, args)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    overrides = dict(pin_memory=False) if args.no_pin_memory else {}
    merge_dataloader_args(cfg, ('val_dataloader',), {}, overrides)
    merge_cfg_options(cfg, args)
    check_validation_set(cfg, args.config)
    path = beside_checkpoint(args.checkpoint, THRESHOLDS_SUFFIX, cfg.work_dir)
    cfg.val_evaluator = [
        dict(
            type='ThresholdChooser',
            criterion=args.criterion,
            score=score,
            picture=picture_path(path, key),
            prefix=key,
        )
        for key, score in find_scores(cfg).items()
    ]
    if cfg.get('val_cfg') is None:
        cfg.val_cfg = dict()
    return cfg, path


def check_validation_set(cfg, name):
    """Refuse a config without validation images that are not test images."""
    if cfg.get('val_dataloader') is None:
        raise ValueError(
            f'{name} has no `val_dataloader`, and a threshold must not be chosen on '
            'the test images: set its dataset to `OpenSet(known=..., unknown=...)` of '
            'other images.'
        )
    common = common_images(
        cfg.val_dataloader.dataset, (cfg.get('test_dataloader') or {}).get('dataset')
    )
    if common:
        raise ValueError(
            f'{name} has the same {common} in `val_dataloader` and `test_dataloader`, '
            'and a threshold must not be chosen on the test images: set '
            '`val_dataloader.dataset` to other ones.'
        )


def common_images(val, test):
    """Name the images that are in both data sets, by their configs."""
    val, test = images_of(val), images_of(test)
    if val == test:
        return 'data set'
    if test is None or not ('known' in val and 'known' in test):
        return ''
    if val['known'] == test['known']:
        return 'known images'
    if share_unknown(val, test):
        return (
            "unknown images (without part='val' in one and part='test' in the other, "
            'at one `seed` and `val_ratio` and in one order)'
        )
    return ''


def share_unknown(val, test):
    """Whether both have an unknown data set that is not divided in the same way."""
    division = [(d.get('seed', 0), d.get('val_ratio', 0.2)) for d in (val, test)]
    parts = {val.get('part'), test.get('part')}
    are_divided = parts == {'val', 'test'} and division[0] == division[1]
    return any(
        own == other
        # OpenSet divides the data sets in order, with one generator.
        and not (are_divided and val['unknown'][: i + 1] == test['unknown'][: j + 1])
        for i, own in enumerate(val['unknown'])
        for j, other in enumerate(test['unknown'])
    )


def find_scores(cfg):
    """Find the scores of all OpenSetMetrics of validation and test, by their keys."""
    scores = {}
    for name in ('val_evaluator', 'test_evaluator'):
        for metric in open_set_configs(cfg.get(name)):
            score = metric.get('score', 'msp')
            scores[open_set_score_key(score)] = score
    if not scores:
        raise ValueError(
            'Neither `val_evaluator` nor `test_evaluator` has a threshold to choose: '
            "add dict(type='OpenSetMetric', threshold='auto')."
        )
    return scores


def picture_path(path, key):
    name = re.sub(r'[^\w.-]+', '_', key).strip('_')
    return f'{osp.splitext(path)[0]}_{name}.png'


def show(entries, path):
    """Print the thresholds."""
    print(f'\n{"score":24}  threshold  F-measure  accepted: knowns  unknowns')
    for key, entry in entries.items():
        print(
            f'{key:24}  {entry["threshold"]:9.4g}  {entry["f_measure"]:9.4f}'
            f'  {entry["known_accepted"]:16.1%}  {entry["unknown_accepted"]:8.1%}'
        )
    everything = ', '.join(
        key for key, entry in entries.items() if entry['accepts_all']
    )
    if everything:
        print(
            f'\nBy this criterion it is best to accept every image ({everything}): '
            'rejecting costs more right answers than it finds unknown images.'
        )
    print(f'\nWritten to {path}, with pictures beside it.')


def main():
    args = parse_args()
    cfg, path = merge_args(load_config(args.config), args)
    check_data(cfg, ('val_dataloader',))
    with named_keys(cfg):
        runner = build_runner(cfg)
        metrics = runner.val()
    if is_main_process():
        origin = dict(checkpoint=args.checkpoint, sha256=file_hash(args.checkpoint))
        names = class_names(runner.val_dataloader.dataset)
        if names is not None:
            origin['classes'] = [str(name) for name in names]
        entries = {}
        for name, value in metrics.items():
            key, _, item = name.rpartition('/')
            entries.setdefault(key, {})[item] = value
        entries = {key: {**entry, **origin} for key, entry in entries.items()}
        write_thresholds(path, entries)
        show(entries, path)
    del runner
    leave_process_group()


if __name__ == '__main__':
    main()
