# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The trainings of one trial, named after their config values."""

import os.path as osp
from copy import deepcopy
from typing import Callable, List, Optional, Tuple

from mmengine.config import Config

from ccsam_mm.datasets.images_of_config import images_of

from .stage import SweepStage, fingerprint, option_text


def build_stages(
    sweep: dict, run: dict, point: dict, seed: int, read: Callable[[str], Config]
) -> Tuple[SweepStage, ...]:
    """Build the trainings of one trial, and check every override on the way.

    Args:
        sweep (dict): The sweep.
        run (dict): The run that the trial belongs to.
        point (dict): The values of the run's grid.
        seed (int): The seed.
        read (Callable): Reads a config file.

    Returns:
        tuple[SweepStage]: The trainings, in order.
    """
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
    """The overrides of a stage; a key may begin with the name of its stage."""
    own = {}
    for key, value in overrides.items():
        first, _, rest = key.partition('.')
        if first not in stages:
            own[key] = value
        elif first == stage:
            own[rest] = value
    return own


def _checked(cfg: Config, overrides: dict, where: str, path: str) -> dict:
    """Refuse keys that the config does not have, unless '+' adds them."""
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
    """A training, named after its config values."""
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
    if test is None:
        return False
    return images_of(cfg.val_dataloader.dataset) == images_of(test.dataset)


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
            f'{where} starts from a stage 1, which must be a stage before it: list '
            'that, or override load_from by a checkpoint.'
        )
    return before[name]
