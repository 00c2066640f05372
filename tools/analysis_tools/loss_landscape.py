# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Draw the loss of trained models around their weights, for each shot group.

By default the loss is drawn over the relative norm of Gaussian noise on the classifier
(Fig. 1 of the paper); --surface draws contours on a plane of two filter-normalised
directions (appendix E). All numbers are written beside the picture. Example:

    python tools/analysis_tools/loss_landscape.py CONFIG ce.pth ccsam.pth --names CE CC-SAM
"""  # noqa: E501

import os.path as osp
import sys

sys.path.append(osp.dirname(osp.dirname(osp.abspath(__file__))))

if __name__ == '__main__':
    from tool_errors import show_sentences

    show_sentences('config', 'checkpoint')

from landscape_utils import (  # noqa: E402
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

from ccsam_mm.analysis.landscape import (  # noqa: E402
    RATIOS,
    curve_csv,
    curve_rows,
    load_losses,
    loss_curve,
    loss_surface,
    plot_curves,
    plot_surfaces,
    surface_axis,
    surface_groups,
)
from ccsam_mm.utils.config_errors import named_keys  # noqa: E402
from ccsam_mm.utils.tables import align_table  # noqa: E402


def parse_args():
    parser = new_parser(__doc__)
    parser.add_argument(
        '--out',
        help='the picture (.png, .svg, .pdf); default: loss_landscape.png or '
        'loss_surface.png in work_dirs/<config name>',
    )
    parser.add_argument(
        '--ratios',
        nargs='+',
        type=size,
        default=RATIOS,
        help='relative noise norms ||eps|| / ||theta||; default: 28 values from 0 to 2',
    )
    parser.add_argument(
        '--seeds',
        type=count,
        default=5,
        help='number of random directions; default: 5',
    )
    parser.add_argument(
        '--surface', action='store_true', help='draw contours on a plane instead'
    )
    parser.add_argument(
        '--resolution',
        type=count,
        default=21,
        help='points of the plane along each side, odd; default: 21',
    )
    parser.add_argument(
        '--extent',
        type=size,
        default=1.0,
        help='half of the side, in norms of the filters; default: 1',
    )
    args = parser.parse_args()
    args.names = checked_names(parser, args)
    args.ratios = sorted(set(args.ratios))
    if args.resolution < 3 or args.resolution % 2 == 0:
        parser.error(f'--resolution {args.resolution}: set it to an odd number >= 3.')
    if not args.extent:
        parser.error('--extent 0: set it to a number > 0.')
    kind = 'loss_surface' if args.surface else 'loss_landscape'
    args.out = args.out or default_out(args, kind)
    check_out(parser, args.out)
    return args


def main():
    args = parse_args()
    cfg, data, groups_of = prepare(args)
    record = dict(
        config=args.config,
        subset=args.subset,
        images=data.num_images,
        loss=args.loss,
        perturb=args.perturb,
    )
    with named_keys(cfg):
        # All are loaded first: what is wrong with one is said before time is spent.
        every = [
            load_losses(cfg, path, data, args.perturb, args.loss)
            for path in args.checkpoints
        ]
    groups = groups_of(every[0])
    say_absent(groups, args.subset)
    if args.surface:
        axis = surface_axis(args.resolution, args.extent)
        chosen = {name: groups[name] for name in surface_groups(list(groups))}
        record.update(axis=axis, groups=list(chosen))
        tick = new_progress(len(every) * len(axis) ** 2)
    else:
        shown = [name for name in groups if name != 'class_mean']
        record.update(ratios=args.ratios, seeds=args.seeds, groups=shown)
        tick = new_progress(len(every) * len(args.ratios) * args.seeds)
    record['checkpoints'] = []
    for name, path, losses in zip(args.names, args.checkpoints, every):
        norm = float(losses.vector().norm())
        own = dict(name=name, path=path, parameters=losses.size, weight_norm=norm)
        if args.surface:
            own['surface'] = loss_surface(losses, chosen, axis, tick=tick)
        else:
            own['curve'] = loss_curve(losses, groups, args.ratios, args.seeds, tick)
        record['checkpoints'].append(own)
    if args.surface:
        files = write_record(args.out, record)
        plot_surfaces(record, args.out)
    else:
        files = write_record(args.out, record, csv=curve_csv(record))
        plot_curves(record, args.out)
        print(f'\n{align_table(curve_rows(record))}\n')
        print('r=0: the loss; r=...: its mean increase at that relative noise norm.')
    print('Written: ' + ', '.join([*files, args.out]))


if __name__ == '__main__':
    main()
