# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Show the long tail of a config's data: class counts, shot groups, images.

Prints tables of the splits, the shot groups and the classes, and writes
class_counts.json, class_counts.csv, class_counts.png and a sheet of images of many-shot,
medium-shot and few-shot classes, as they leave the data pipeline. Example:

    python tools/analysis_tools/browse_long_tail.py configs/ccsam/digits_lt_r20_stage1.py
"""  # noqa: E501

import argparse
import os.path as osp
import sys

sys.path.append(osp.dirname(osp.dirname(osp.abspath(__file__))))

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config')

from mmengine.config import DictAction  # noqa: E402
from mmengine.registry import DATASETS, init_default_scope  # noqa: E402
from mmengine.runner import set_random_seed  # noqa: E402
from tool_utils import check_data, load_config  # noqa: E402

from ccsam_mm.analysis import (  # noqa: E402
    class_distribution,
    draw_image_sheet,
    format_distribution,
    plot_distribution,
    save_distribution,
)

SPLITS = ('train', 'val', 'test')


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file path')
    parser.add_argument(
        '--out', help='folder for the files; default: work_dirs/<config name>/long_tail'
    )
    parser.add_argument(
        '--split',
        choices=SPLITS,
        default='train',
        help='split whose images are shown; all splits are counted',
    )
    parser.add_argument(
        '--shot-rule',
        choices=('strict', 'inclusive'),
        default='strict',
        help='many > 100 and few < 20 training images, or many >= 100 and few <= 20',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override some settings in the used config, see tools/train.py',
    )
    return parser.parse_args()


def build_datasets(cfg, config):
    """Build the data set of each data loader, as the runner does."""
    fields = {name: f'{name}_dataloader' for name in SPLITS}
    fields = {name: key for name, key in fields.items() if cfg.get(key) is not None}
    if not fields:
        raise ValueError(
            f'{config} has no data: add `train_dataloader` to it, or choose another '
            'config.'
        )
    check_data(cfg, fields.values())
    # Random crops and the like are the same in each run.
    set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    return {name: DATASETS.build(cfg[key].dataset) for name, key in fields.items()}


def main():
    args = parse_args()
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    name = osp.splitext(osp.basename(args.config))[0]
    out = args.out or osp.join('work_dirs', name, 'long_tail')
    datasets = build_datasets(cfg, args.config)
    if args.split not in datasets:
        raise ValueError(
            f'{args.config} has no `{args.split}_dataloader`: set --split to '
            f'{" or ".join(datasets)}.'
        )
    distribution = class_distribution(datasets)
    print(format_distribution(distribution, args.shot_rule))
    files = save_distribution(distribution, out, args.shot_rule)
    files += [osp.join(out, 'class_counts.png'), osp.join(out, f'{args.split}.png')]
    plot_distribution(distribution, files[-2], args.shot_rule, title=name)
    preprocessor = cfg.get('data_preprocessor') or {}
    preprocessor = cfg.get('model', {}).get('data_preprocessor') or preprocessor
    draw_image_sheet(
        datasets[args.split],
        distribution['class_counts'],
        files[-1],
        shot_rule=args.shot_rule,
        to_rgb=preprocessor.get('to_rgb', False),
        title=f'{name}: {args.split}',
    )
    print('\nWritten: ' + ', '.join(files))


if __name__ == '__main__':
    main()
