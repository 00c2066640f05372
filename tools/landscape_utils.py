# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What the tools for landscapes and sharpness share: options, checkpoints, files."""

import argparse
import json
import os.path as osp
import sys

import mmengine
from mmengine.registry import init_default_scope
from tool_utils import OptionsAction, check_data, load_config, merge_cfg_options

from ccsam_mm.analysis.landscape import SUBSETS, EvaluatedData
from ccsam_mm.analysis.landscape.loss_groups import loss_groups
from ccsam_mm.analysis.landscape.pictures import SUFFIXES
from ccsam_mm.utils.config_errors import named_keys
from ccsam_mm.utils.files import write_whole
from ccsam_mm.utils.results_file import check_writable


def new_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options that both tools have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the model and of the images')
    parser.add_argument('checkpoints', nargs='+', help='checkpoint files of that model')
    parser.add_argument(
        '--names', nargs='+', help='a name for each checkpoint; default: its folder'
    )
    parser.add_argument(
        '--perturb',
        nargs='+',
        default=['head'],
        help="prefixes of the perturbed parameters' names, as optim_wrapper.perturb of "
        "CCSAMOptimWrapper; '' is everything; default: head",
    )
    parser.add_argument(
        '--subset',
        choices=SUBSETS,
        default='train',
        help='images to evaluate, with the pipeline of the test; default: train',
    )
    parser.add_argument(
        '--samples', type=count, help='most images of each class; default: all'
    )
    parser.add_argument(
        '--loss',
        choices=('ce', 'config'),
        default='ce',
        help="cross entropy, which compares methods, or the loss of the config's head; "
        'default: ce',
    )
    parser.add_argument(
        '--shot-rule',
        choices=('strict', 'inclusive'),
        default='strict',
        help='many > 100 and few < 20 training images, or many >= 100 and few <= 20',
    )
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction,
                        help='override some settings in the used config, see '
                        'tools/train.py')  # fmt: skip
    return parser


def count(text: str) -> int:
    """Read a number of things, at least one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is no number of at least 1')
    return value


def size(text: str) -> float:
    """Read a finite number that is not negative."""
    value = float(text)
    if not 0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is no number of at least 0')
    return value


def checked_names(parser, args) -> list:
    """Name the checkpoints; refuse missing files and names that do not fit."""
    for path in args.checkpoints:
        if '://' not in path and not osp.isfile(osp.expanduser(path)):
            parser.error(f'checkpoint {path!r} does not exist.')
    names = args.names
    if names is None:
        folders = [osp.basename(osp.dirname(osp.abspath(p))) for p in args.checkpoints]
        names = folders if len(set(folders)) == len(folders) else args.checkpoints
    if len(names) != len(args.checkpoints) or len(set(names)) < len(names):
        parser.error(
            f'--names {" ".join(names)}: give a different name to each of the '
            f'{len(args.checkpoints)} checkpoints.'
        )
    return names


def default_out(args, name: str) -> str:
    """The picture of a tool for a config."""
    config = osp.splitext(osp.basename(args.config))[0]
    return osp.join('work_dirs', config, f'{name}.png')


def check_out(parser, path: str) -> None:
    """Refuse a picture that could not be written, before time is spent."""
    if not path.endswith(SUFFIXES):
        parser.error(f'--out {path}: name a {" or ".join(SUFFIXES)} file.')
    check_writable(path, '--out')


def prepare(args) -> tuple:
    """Build the images of a config and the groups of classes that have some.

    Returns:
        tuple: The config, the data, and ``groups(losses)``, which weighs images.
    """
    cfg = load_config(args.config)
    merge_cfg_options(cfg, args)
    init_default_scope(cfg.get('default_scope') or 'mmpretrain')
    check_data(cfg, (f'{args.subset}_dataloader',))
    with named_keys(cfg):
        data = EvaluatedData.from_config(cfg, args.subset, args.samples)

    def groups(losses):
        rule, counts = args.shot_rule, data.class_counts
        return loss_groups(losses.labels, counts, data.available, rule)

    return cfg, data, groups


def say_absent(groups, subset: str) -> None:
    """Say which shot groups have no class, and so no curve."""
    absent = [name for name in ('many', 'medium', 'few') if name not in groups]
    if absent:
        kinds = ' and no '.join(f'{name}-shot' for name in absent)
        print(f'The {subset} images have no {kinds} class: that group is left out.')


def new_progress(total: int):
    """A progress bar with the remaining time, where a terminal shows it."""
    if not sys.stderr.isatty():
        return lambda: None
    return mmengine.ProgressBar(total, file=sys.stderr).update


def write_record(path: str, record: dict, **files: str) -> list:
    """Write all numbers beside a picture, as JSON and in files of other suffixes."""
    stem = osp.splitext(path)[0]
    files = dict(json=json.dumps(record, indent=1, allow_nan=False) + '\n', **files)
    for suffix, text in files.items():
        write_whole(f'{stem}.{suffix}', text)
    return [f'{stem}.{suffix}' for suffix in files]
