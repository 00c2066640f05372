# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Measure how sharp the loss of trained models is, for each shot group.

Prints the largest eigenvalues and the trace of the Hessian, and the increase of the
loss at SAM's perturbation and at CC-SAM's own radius of each class (Eq. 8 and 9);
writes them as JSON, and as a picture for several checkpoints. Example:

    python tools/analysis_tools/sharpness.py CONFIG ce.pth ccsam.pth --names CE CC-SAM
"""

import os.path as osp
import sys

sys.path.append(osp.dirname(osp.dirname(osp.abspath(__file__))))

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config', 'checkpoint')

from landscape_utils import (
    check_out,
    checked_names,
    count,
    default_out,
    new_parser,
    new_progress,
    prepare,
    say_absent,
    size,
    write_record,
)

from ccsam_mm.analysis.landscape import (
    SharpnessOptions,
    load_losses,
    measure_sharpness,
    plot_sharpness,
    radius_options,
    sharpness_rows,
)
from ccsam_mm.utils.config_errors import named_keys
from ccsam_mm.utils.tables import align_table

# What sets the perturbation norm of CC-SAM.
RADIUS_KEYS = dict(
    rho_scale='factor on Eq. 8',
    min_grad_norm='floor under the gradient norm',
    max_relative_norm="cap as a share of the weights' norm",
)


def parse_args():
    parser = new_parser(__doc__)
    parser.add_argument(
        '--out',
        help='the picture (.png, .svg, .pdf) beside which the JSON is written; '
        'default: work_dirs/<config name>/sharpness.png',
    )
    parser.add_argument('--eigenvalues', type=count, default=3,
                        help='number of largest eigenvalues; default: 3')  # fmt: skip
    parser.add_argument(
        '--probes',
        type=count,
        default=30,
        help="random vectors of the trace's estimate, at least 2; default: 30",
    )
    parser.add_argument('--rho', type=size, default=0.05,
                        help="radius of SAM's ball; default: 0.05")  # fmt: skip
    parser.add_argument(
        '--ascent-steps',
        type=int,
        default=0,
        help="steps of projected ascent after SAM's step; default: 0",
    )
    for key, text in RADIUS_KEYS.items():
        parser.add_argument(
            f'--{key.replace("_", "-")}',
            type=size,
            help=f'{text} for CC-SAM; default: that of a config of CC-SAM, and for '
            'others --rho-scale 0.01 --min-grad-norm 3 without a cap',
        )
    args = parser.parse_args()
    args.names = checked_names(parser, args)
    if args.probes < 2:
        parser.error('--probes 1 gives no interval: set it to 2 at least.')
    if args.ascent_steps < 0:
        parser.error(f'--ascent-steps {args.ascent_steps}: set it to 0 or more.')
    if args.max_relative_norm == 0:
        parser.error('--max-relative-norm 0: set it to a number > 0.')
    args.out = args.out or default_out(args, 'sharpness')
    check_out(parser, args.out)
    return args


def sharpness_options(cfg, args):
    """The options of the command line, over those of the config."""
    names = SharpnessOptions._fields
    given = {key: getattr(args, key) for key in names if getattr(args, key) is not None}
    return SharpnessOptions(**{**radius_options(cfg), **given})


def main():
    args = parse_args()
    cfg, data, groups_of = prepare(args)
    options = sharpness_options(cfg, args)
    with named_keys(cfg):
        every = [
            load_losses(cfg, path, data, args.perturb, args.loss)
            for path in args.checkpoints
        ]
    groups = groups_of(every[0])
    say_absent(groups, args.subset)
    del groups['class_mean']
    tick = new_progress(len(every) * len(groups))
    record = dict(
        config=args.config,
        subset=args.subset,
        images=data.num_images,
        loss=args.loss,
        perturb=args.perturb,
        options=options._asdict(),
        checkpoints=[],
    )
    for name, path, losses in zip(args.names, args.checkpoints, every):
        norm = float(losses.vector().norm())
        own = dict(name=name, path=path, parameters=losses.size, weight_norm=norm)
        own['measures'] = measure_sharpness(
            losses, groups, data.class_counts, options, tick
        )
        record['checkpoints'].append(own)
    files = write_record(args.out, record)
    print(f'\n{align_table(sharpness_rows(record))}\n')
    if len(every) > 1:
        plot_sharpness(record, args.out)
        files.append(args.out)
    own = ', '.join(f'{key}={getattr(options, key)}' for key in RADIUS_KEYS)
    print(
        f'SAM: increase of the loss at rho={options.rho:g}; CC-SAM: mean increase '
        f'along the class gradients, at the norm |e| of Eq. 9 with {own}.'
    )
    print('Written: ' + ', '.join(files))


if __name__ == '__main__':
    main()
