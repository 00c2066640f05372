# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What a sweep file asks for: rows (a run at one point of its grid) times seeds."""

import itertools
import os.path as osp
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Callable, Dict, List, Optional

from mmengine.config import Config

from .stage import SweepStage, fingerprint, option_text

# What each part of a sweep file may have.
KEYS = dict(
    sweep=(
        'work_dir', 'results', 'seeds', 'common', 'baseline', 'select', 'test', 'runs',
    ),
    run=('name', 'stages', 'grid'),
    stage=('name', 'config', 'overrides', 'loads'),
    select=('metric', 'stage', 'rule'),
)  # fmt: skip


@dataclass(frozen=True)
class SweepTrial:
    """One row of a sweep with one seed.

    Args:
        run (str): The name of the run.
        point (dict): The values of the run's grid.
        seed (int): The seed.
        stages (tuple[SweepStage]): The trainings, in order.

    Examples:
        >>> from ccsam_mm.experiments import SweepTrial
        >>> SweepTrial('ccsam', {'stage1.optim_wrapper.rho_scale': 0.1}, 0, ()).row
        'ccsam,rho_scale=0.1'
    """

    run: str
    point: dict
    seed: int
    stages: tuple

    @property
    def row(self) -> str:
        """str: The name of the run and of its point."""
        names = axis_names(self.point)
        values = [f'{names[k]}={_plain(v)}' for k, v in self.point.items()]
        return ','.join([self.run, *values])

    @property
    def id(self) -> str:
        """str: What changes when a value of any of the configs does."""
        return '-'.join(stage.fingerprint for stage in self.stages)

    def stage(self, name: str) -> Optional[SweepStage]:
        """The stage of this name, or None.

        Args:
            name (str): The name of the stage.

        Returns:
            SweepStage, optional: The stage.
        """
        return next((s for s in self.stages if s.name == name), None)


def axis_names(point: dict) -> Dict[str, str]:
    """Name grid keys by their last parts, where these differ.

    Args:
        point (dict): A point of the grid, or the grid itself.

    Returns:
        dict[str, str]: The short name of each key.

    Examples:
        >>> from ccsam_mm.experiments.plan import axis_names
        >>> axis_names({'stage1.model.depth': [8, 20]})
        {'stage1.model.depth': 'depth'}
    """
    short = [key.split('.')[-1].lstrip('+') for key in point]
    return {k: k if short.count(s) > 1 else s for k, s in zip(point, short)}


def load_sweep(path: str) -> dict:
    """Read a sweep file, check its keys and fill in what it leaves out.

    Args:
        path (str): A config file, see ``tools/benchmarks/sweep.py``.

    Returns:
        dict: The sweep.

    Examples:
        >>> import tempfile
        >>> from ccsam_mm.experiments import load_sweep
        >>> stages = [dict(name='stage1', config='a.py')]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(f'{folder}/first.py', 'w') as file:
        ...         _ = file.write(f"runs = [dict(name='ce', stages={stages})]")
        ...     load_sweep(file.name)['results']
        'work_dirs/sweeps/first/results.jsonl'
    """
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'the sweep file {path} does not exist: correct its path.'
        )
    sweep = Config.fromfile(path).to_dict()
    sweep = {key: value for key, value in sweep.items() if not key.startswith('_')}
    name = osp.splitext(osp.basename(path))[0]
    sweep.setdefault('work_dir', osp.join('work_dirs', 'sweeps', name))
    return check_sweep(sweep, path)


def check_sweep(sweep: dict, path: str = 'the sweep') -> dict:
    """Check the keys of a sweep, and fill in what it leaves out.

    Args:
        sweep (dict): The sweep.
        path (str): What messages call it. Defaults to 'the sweep'.

    Returns:
        dict: The sweep with all keys.

    Examples:
        >>> from ccsam_mm.experiments import check_sweep
        >>> runs = [dict(name='ce', stages=[dict(name='stage1', config='a.py')])]
        >>> check_sweep(dict(work_dir='work_dirs/a', runs=runs))['seeds']
        [0]
    """
    _check_keys(sweep, 'sweep', path, needed=('runs', 'work_dir'))
    names = []
    for run in sweep['runs']:
        names.append(_check_keys(run, 'run', f'a run of {path}', ('name', 'stages')))
        stages = []
        for stage in run['stages']:
            where = f"a stage of run '{run['name']}'"
            stages.append(_check_keys(stage, 'stage', where, ('name', 'config')))
        _check_names(stages, f"stage of run '{run['name']}'")
    _check_names(names, f'run of {path}')
    default = dict(
        results=osp.join(sweep['work_dir'], 'results.jsonl'),
        seeds=[0],
        common={},
        baseline=None,
        test=False,
    )
    sweep = {**default, **sweep}
    select = sweep.get('select') or {}
    _check_keys(select, 'select', f'`select` of {path}')
    last = sweep['runs'][0]['stages'][-1]['name']
    default = dict(metric='accuracy/class_mean', stage=last, rule='greater')
    sweep['select'] = {**default, **select}
    if sweep['select']['rule'] not in ('greater', 'less'):
        raise ValueError(f"select.rule of {path} has to be 'greater' or 'less'.")
    if not isinstance(sweep['seeds'], (list, tuple)) or not sweep['seeds']:
        raise ValueError(f'`seeds` of {path} has to be a list of numbers.')
    _check_names(list(sweep['seeds']), f'seed of {path}')
    return sweep


def _check_keys(mapping: dict, kind: str, where: str, needed=()) -> Optional[str]:
    """Refuse unknown and missing keys; returns the name, if there is one."""
    if not isinstance(mapping, dict):
        raise ValueError(f'{where} has to be a dict, but is {mapping!r}.')
    for key in mapping:
        if key not in KEYS[kind]:
            raise ValueError(
                f"'{key}' is no key of {where}: there are {', '.join(KEYS[kind])}"
                f'{" (begin helpers with an underscore)" if kind == "sweep" else ""}.'
            )
    for key in needed:
        if not mapping.get(key):
            raise ValueError(f"{where} lacks '{key}', which every {kind} needs.")
    return mapping.get('name')


def _check_names(names: list, what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' names more than one {what}: rename one.")


def expand_sweep(
    sweep: dict, load_config: Callable[[str], Config] = Config.fromfile
) -> List[SweepTrial]:
    """Expand a sweep to rows times seeds, and check every override on the way.

    Args:
        sweep (dict): What :func:`load_sweep` returns.
        load_config (Callable): Reads a config file. Defaults to ``Config.fromfile``.

    Returns:
        list[SweepTrial]: The trials, in the order of the rows, then of the seeds.

    Examples:
        >>> from mmengine.config import Config
        >>> from ccsam_mm.experiments import check_sweep, expand_sweep
        >>> stages = [dict(name='stage1', config=__file__)]
        >>> run = dict(name='sgd', stages=stages, grid={'stage1.lr': [0.1, 0.2]})
        >>> sweep = check_sweep(dict(work_dir='w', seeds=[0, 1], runs=[run]))
        >>> config = Config(dict(lr=1, val_dataloader={}))
        >>> trials = expand_sweep(sweep, lambda path: config)
        >>> [(trial.row, trial.seed) for trial in trials]
        [('sgd,lr=0.1', 0), ('sgd,lr=0.1', 1), ('sgd,lr=0.2', 0), ('sgd,lr=0.2', 1)]
    """
    read = lru_cache(maxsize=None)(load_config)
    trials = []
    for run in sweep['runs']:
        grid = run.get('grid') or {}
        _check_grid(run, grid)
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values))
            for seed in sweep['seeds']:
                stages = _build_stages(sweep, run, point, seed, read)
                trials.append(SweepTrial(run['name'], point, seed, stages))
    rows = list(dict.fromkeys(trial.row for trial in trials))
    if sweep['baseline'] not in (None, *rows):
        raise ValueError(
            f"baseline '{sweep['baseline']}' is no row: there are {' '.join(rows)}."
        )
    _check_select(sweep, trials)
    return trials


def _check_grid(run: dict, grid: dict) -> None:
    stages = [stage['name'] for stage in run['stages']]
    for key, values in grid.items():
        if key.split('.')[0] not in stages:
            raise ValueError(
                f"grid key '{key}' of run '{run['name']}' has to begin with one of its "
                f'stages: {", ".join(f"{stage}." for stage in stages)}.'
            )
        if not isinstance(values, (list, tuple)) or not values:
            raise ValueError(
                f"grid key '{key}' of run '{run['name']}' needs a list of values."
            )
        _check_names(list(values), f"value of '{key}' of run '{run['name']}'")


def _check_select(sweep: dict, trials: List[SweepTrial]) -> None:
    name = sweep['select']['stage']
    for trial in trials:
        if trial.stage(name) is None:
            raise ValueError(
                f"run '{trial.run}' has no stage '{name}', by which rows are compared: "
                'set select.stage to one that every run has.'
            )


def _build_stages(sweep, run, point, seed, read) -> tuple:
    """The trainings of one trial."""
    names = [stage['name'] for stage in run['stages']]
    built: List[SweepStage] = []
    for spec in run['stages']:
        where = f"stage '{spec['name']}' of run '{run['name']}'"
        overrides = {
            **_of_stage(sweep['common'], spec['name'], _all_stages(sweep)),
            **(spec.get('overrides') or {}),
            **_of_stage(point, spec['name'], names),
        }
        if not osp.isfile(spec['config']):
            raise FileNotFoundError(
                f'{spec["config"]}, the config of {where}, does not exist: paths start '
                'from the folder in which the sweep is started.'
            )
        cfg = deepcopy(read(spec['config']))
        overrides = _checked(cfg, overrides, where, spec['config'])
        overrides['randomness.seed'] = seed
        cfg.merge_from_dict(deepcopy(overrides))
        built.append(_build_stage(sweep, spec, cfg, overrides, built, where))
    return tuple(built)


def _all_stages(sweep: dict) -> List[str]:
    return [stage['name'] for run in sweep['runs'] for stage in run['stages']]


def _of_stage(overrides: dict, stage: str, stages: List[str]) -> dict:
    """The overrides of a stage: keys may begin with the one stage that they are of."""
    own = {}
    for key, value in overrides.items():
        first, _, rest = key.partition('.')
        if first not in stages:
            own[key] = value
        elif first == stage:
            own[rest] = value
    return own


def _checked(cfg: Config, overrides: dict, where: str, path: str) -> dict:
    """Refuse misspelt keys, which the config lacks; '+' adds one on purpose."""
    checked = {}
    for key, value in overrides.items():
        node = cfg._cfg_dict
        for part in () if key.startswith('+') else key.split('.'):
            if isinstance(node, dict) and part in node:
                node = node[part]
            elif isinstance(node, (list, tuple)) and part in map(str, range(len(node))):
                node = node[int(part)]
            else:
                there = ', '.join(node) if isinstance(node, dict) else 'no such entry'
                raise ValueError(
                    f"{path} has no '{key}', which {where} overrides (beside '{part}': "
                    f"{there}): correct it, or write '+{key}' to add a key."
                )
        try:
            option_text(value)
        except ValueError as error:
            raise ValueError(f"'{key}' of {where}: {error}") from None
        checked[key.lstrip('+')] = value
    return checked


def _build_stage(sweep, spec, cfg, overrides, built, where) -> SweepStage:
    """A training that is named by what it does."""
    if cfg.get('val_dataloader') is None:
        raise ValueError(
            f'{spec["config"]}, the config of {where}, has no val_dataloader, and '
            'nothing would be measured: add one.'
        )
    loads = _loaded_stage(spec, cfg, built, where)
    digest = fingerprint(cfg, loads and loads.fingerprint)
    stem = osp.splitext(osp.basename(spec['config']))[0]
    name = f'{stem}_seed{overrides["randomness.seed"]}_{digest}'
    loop = cfg.get('train_cfg') or {}
    return SweepStage(
        name=spec['name'],
        config=spec['config'],
        overrides=overrides,
        work_dir=osp.join(sweep['work_dir'], name),
        fingerprint=digest,
        last_step=loop.get('max_epochs') or loop.get('max_iters'),
        loads=loads,
        validates_on_test=_same_data(cfg),
    )


def _same_data(cfg: Config) -> bool:
    """Whether the validation images are those of the test."""
    test = cfg.get('test_dataloader')
    return test is not None and cfg.val_dataloader.dataset == test.dataset


def _loaded_stage(spec, cfg, built, where) -> Optional[SweepStage]:
    """The stage that is loaded: the one named by `loads`, or the one before."""
    loads_itself = 'load_stage1' in (cfg.get('default_hooks') or {})
    if 'loads' not in spec and not loads_itself:
        return None
    if 'loads' not in spec and cfg.get('load_from'):
        return None
    if not loads_itself:
        raise ValueError(
            f'{where} loads another, but {spec["config"]} has no '
            'default_hooks.load_stage1: let it inherit _base_/stage2_runtime.py.'
        )
    before = {stage.name: stage for stage in built}
    name = spec.get('loads') or next(reversed(before), None)
    if name not in before:
        raise ValueError(
            f'{where} starts from a stage 1, which has to be a stage before it: list '
            'that, or override load_from by a checkpoint.'
        )
    return before[name]


def _plain(value) -> str:
    return option_text(value).replace(' ', '')
