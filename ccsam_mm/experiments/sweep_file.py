# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Sweep files: what they may contain, and the defaults of the rest."""

import os.path as osp
from typing import Optional

from mmengine.config import Config

# The keys of each part of a sweep file.
KEYS = dict(
    sweep=(
        'work_dir', 'results', 'seeds', 'common', 'baseline', 'select', 'test', 'runs',
    ),
    run=('name', 'stages', 'grid'),
    stage=('name', 'config', 'overrides', 'loads'),
    select=('metric', 'stage', 'rule'),
)  # fmt: skip


def load_sweep(path: str) -> dict:
    """Read a sweep file, check its keys and fill in the defaults.

    Args:
        path (str): A config file, see ``tools/benchmarks/sweep.py``.

    Returns:
        dict: The sweep with all keys, and its ``path``.

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
    return dict(check_sweep(sweep, path), path=path)


def check_sweep(sweep: dict, path: str = 'the sweep') -> dict:
    """Check the keys of a sweep, and fill in the defaults.

    Args:
        sweep (dict): The sweep.
        path (str): Its name in messages. Defaults to 'the sweep'.

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
        check_unique(stages, f"stage of run '{run['name']}'")
    check_unique(names, f'run of {path}')
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
        raise ValueError(f"select.rule of {path} must be 'greater' or 'less'.")
    if not isinstance(sweep['seeds'], (list, tuple)) or not sweep['seeds']:
        raise ValueError(f'`seeds` of {path} must be a list of numbers.')
    check_unique(list(sweep['seeds']), f'seed of {path}')
    return sweep


def _check_keys(mapping: dict, kind: str, where: str, needed=()) -> Optional[str]:
    """Refuse unknown and missing keys; returns the name, if there is one."""
    if not isinstance(mapping, dict):
        raise ValueError(f'{where} must be a dict, but is {mapping!r}.')
    for key in mapping:
        if key not in KEYS[kind]:
            raise ValueError(
                f"'{key}' is not a key of {where}: there are {', '.join(KEYS[kind])}"
                f'{" (begin helpers with an underscore)" if kind == "sweep" else ""}.'
            )
    for key in needed:
        if not mapping.get(key):
            raise ValueError(f"{where} lacks '{key}', which every {kind} needs.")
    return mapping.get('name')


def check_unique(names: list, what: str) -> None:
    """Refuse names that occur twice.

    Args:
        names (list): The names, seeds or values.
        what (str): The kind of thing that they name, for the message.
    """
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' names more than one {what}: rename one.")
