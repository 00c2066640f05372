# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Functions that the tools share: MMPretrain's options, configs and runners."""

import gc
import inspect
import os
import os.path as osp
import sys

REPO = osp.dirname(osp.dirname(osp.abspath(__file__)))
if osp.isdir(osp.join(REPO, 'ccsam_mm')):
    # A clone works as it is, and is not mixed up with an installed version.
    sys.path.insert(0, REPO)

import torch.distributed  # noqa: E402
from mmengine.config import Config, ConfigDict, DictAction  # noqa: E402
from mmengine.device import get_device  # noqa: E402
from mmengine.registry import RUNNERS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmpretrain.datasets import CustomDataset  # noqa: E402
from mmpretrain.registry import DATASETS  # noqa: E402

import ccsam_mm  # noqa: E402, F401  (registers everything, also for plain configs)
from ccsam_mm.engine.hooks import CheckLoadedHook  # noqa: E402
from ccsam_mm.utils.config_rules import ConfigError  # noqa: E402
from ccsam_mm.utils.config_types import class_of  # noqa: E402
from ccsam_mm.utils.cpu_process_groups import prepare_cpu_distributed  # noqa: E402
from ccsam_mm.utils.launcher_watch import end_with_parent  # noqa: E402
from ccsam_mm.utils.names import did_you_mean, nearest_name  # noqa: E402
from ccsam_mm.utils.upstream_errors import explain  # noqa: E402


class OptionsAction(DictAction):
    """MMEngine's action for ``--cfg-options``, which names what it cannot read."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Read ``KEY=VALUE`` pairs."""
        for value in values:
            if not value.partition('=')[0] or '=' not in value:
                parser.error(f'{option_string} {value}: write KEY=VALUE.')
        super().__call__(parser, namespace, values, option_string)


def add_common_args(parser) -> None:
    """Add the options that training and testing have in common."""
    parser.add_argument(
        '--no-pin-memory',
        action='store_true',
        help='whether to disable the pin_memory option in dataloaders.',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        help='override some settings in the used config, the key-value pair '
        'in xxx=yyy format will be merged into config file. If the value to '
        'be overwritten is a list, it should be like key="[a,b]" or key=a,b '
        'It also allows nested list/tuple values, e.g. key="[(a,b),(c,d)]" '
        'Note that the quotation marks are necessary and that no white space '
        'is allowed.',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher',
    )
    # torch.distributed.launch passes `--local-rank`, formerly `--local_rank`.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def load_config(path: str) -> Config:
    """Read a config file; the error says why that failed."""
    try:
        return Config.fromfile(path)
    except FileNotFoundError as error:
        missing = error.filename or path
        raise FileNotFoundError(
            f"{path} cannot be read: '{missing}' does not exist."
        ) from error
    except Exception as error:
        advice = explain(error) or _describe(error)
        raise RuntimeError(f'{path} cannot be read: {advice}') from error


def _describe(error: Exception) -> str:
    """Describe an error of a config's code, which MMEngine runs without a file name."""
    if isinstance(error, SyntaxError):
        return f'{error.msg} (line {error.lineno})'
    traceback, line = error.__traceback__, ''
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == '':
            line = f' (line {traceback.tb_lineno})'
        traceback = traceback.tb_next
    return f'{type(error).__name__}: {error}{line}'


def merge_common_args(cfg: Config, args) -> None:
    """Set launcher and work directory, the latter by option, config or file name."""
    if 'LOCAL_RANK' not in os.environ:
        os.environ['LOCAL_RANK'] = str(args.local_rank)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir', None) is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('./work_dirs', name)


def merge_dataloader_args(cfg: Config, fields, defaults: dict, overrides: dict) -> None:
    """Put defaults under, and command line options over, the data loaders."""
    # Without an accelerator, pinning only causes a warning.
    defaults = dict(
        pin_memory=get_device() != 'cpu',
        collate_fn=dict(type='default_collate'),
        **defaults,
    )
    for field in fields:
        if cfg.get(field, None) is not None:
            dataloader = ConfigDict(defaults)
            dataloader.update(cfg[field])
            dataloader.update(overrides)
            cfg[field] = dataloader


def merge_cfg_options(cfg: Config, args) -> None:
    """Merge `--cfg-options`, which override all other settings."""
    if args.cfg_options is not None:
        check_cfg_options(cfg, args)
        try:
            cfg.merge_from_dict(args.cfg_options)
        except Exception as error:
            raise ConfigError(
                f'--cfg-options {" ".join(args.cfg_options)} does not fit into '
                f'{args.config}: {error}'
            ) from error
    for field in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        # PyTorch refuses persistent workers if there are no workers.
        if cfg.get(field) and not cfg[field].get('num_workers'):
            cfg[field].persistent_workers = False


def check_cfg_options(cfg: Config, args) -> None:
    """Refuse options that would have no effect, or an unintended one."""
    known = {*cfg, *inspect.signature(Runner).parameters, 'tta_model', 'tta_pipeline'}
    for key in args.cfg_options:
        section, _, rest = key.partition('.')
        meant = nearest_name(section, known, cutoff=0.85)
        if section not in known and meant:
            raise ConfigError(
                f"--cfg-options {key}: the config has no '{section}'"
                f'{did_you_mean(section, known)}'
            )
        if getattr(args, 'no_validate', False) and section.startswith('val_'):
            raise ConfigError(
                f'--no-validate leaves out the validation, so {key} of --cfg-options '
                'has no effect: leave out one of them.'
            )
        part = rest.partition('.')[0]
        wrapped = cfg.model.module if getattr(args, 'tta', False) else {}
        if section == 'model' and part in wrapped and part not in cfg.model:
            raise ConfigError(
                f'--tta wraps the model of the config in another one: write '
                f'model.module.{rest} instead of {key} in --cfg-options.'
            )


def check_data(cfg: Config, fields) -> None:
    """Refuse data loaders whose images or lists do not exist.

    MMPretrain's classes for folders and lists never download, and would only show the
    operating system's error.
    """
    for field in fields:
        if cfg.get(field) is not None:
            _check_dataset(cfg[field].get('dataset'), f'{field}.dataset')


def _check_dataset(dataset, key: str) -> None:
    """Check the config of a data set, after those of the data sets it wraps."""
    if isinstance(dataset, (list, tuple)):
        for i, part in enumerate(dataset):
            _check_dataset(part, f'{key}.{i}')
    if not isinstance(dataset, dict):
        return
    for inner in ('dataset', 'datasets', 'reference', 'known', 'unknown'):
        _check_dataset(dataset.get(inner), f'{key}.{inner}')
    kind = class_of(dataset, DATASETS)
    if kind is None or not issubclass(kind, CustomDataset):
        return
    root = dataset.get('data_root') or ''
    names = ['data_root', 'ann_file', 'data_prefix']
    remote = {'backend_args', 'file_client_args'}
    if any(remote & set(step) for step in dataset.get('pipeline') or ()):
        names = ['ann_file']  # images come from elsewhere
    for name in names:
        path = dataset.get(name)
        if isinstance(path, str) and path and '://' not in root + path:
            path = osp.expanduser(osp.join('' if name == 'data_root' else root, path))
            if not osp.exists(path):
                raise FileNotFoundError(
                    f"'{path}' does not exist: put the data there, or set "
                    f'{key}.{name} to its place.'
                )


def build_runner(cfg: Config) -> Runner:
    """Build the configured runner, also in a group of CPU processes."""
    if cfg.get('launcher', 'none') != 'none':
        end_with_parent()
    prepare_cpu_distributed(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if not any(isinstance(hook, CheckLoadedHook) for hook in runner.hooks):
        runner.register_hook(CheckLoadedHook())
    return runner


def leave_process_group() -> None:
    """Destroy the process group after the last use of the runner.

    Gloo's threads live as long as a model that is wrapped with their group. A thread
    that still releases a tensor while Python ends aborts the process.
    """
    if torch.distributed.is_initialized():
        gc.collect()  # a runner and its parts refer to each other
        torch.distributed.destroy_process_group()
