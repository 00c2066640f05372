# Copyright (c) ccsam_mm contributors. All rights reserved.
import argparse
import hashlib
import json
import os.path as osp
from dataclasses import dataclass
from typing import List, Optional

from mmengine.config import Config, DictAction


@dataclass(frozen=True)
class SweepStage:
    """One training of a sweep: a config, its overrides, and the stage it starts from.

    Args:
        name (str): The name of the stage, such as ``stage1``.
        config (str): The config file.
        overrides (dict): The values that replace the config's, the seed among them.
        work_dir (str): The work directory.
        fingerprint (str): A digest that identifies the training.
        last_step (int, optional): The epoch (or iteration) that ends the training.
            Defaults to None.
        loads (SweepStage, optional): The stage that this one starts from. Defaults to
            None.
        validates_on_test (bool): Whether the validation images are those of the test.
            Defaults to False.

    Examples:
        >>> from ccsam_mm.experiments import SweepStage
        >>> overrides = {'optim_wrapper.rho_scale': 0.1, 'randomness.seed': 1}
        >>> stage = SweepStage('stage1', 'a.py', overrides, 'work_dirs/a', 'f00')
        >>> stage.cfg_options
        ['optim_wrapper.rho_scale=0.1', 'randomness.seed=1']
    """

    name: str
    config: str
    overrides: dict
    work_dir: str
    fingerprint: str
    last_step: Optional[int] = None
    loads: Optional['SweepStage'] = None
    validates_on_test: bool = False

    @property
    def cfg_options(self) -> List[str]:
        """list[str]: The ``--cfg-options`` for ``tools/train.py``."""
        options = [f'{key}={option_text(v)}' for key, v in self.overrides.items()]
        if self.loads is not None:
            options.append(f'default_hooks.load_stage1.stage1={self.loads.work_dir}')
        return options

    @property
    def marker(self) -> str:
        """str: The file that exists once the training is over."""
        return osp.join(self.work_dir, 'finished.json')


def option_text(value) -> str:
    """Write a value so that ``--cfg-options`` reads the same value again.

    Args:
        value: A number, text, truth value, None, or lists and tuples of them.

    Returns:
        str: The text behind ``KEY=``.

    Examples:
        >>> from ccsam_mm.experiments.stage import option_text
        >>> option_text([0.1, None, 'head'])
        '[0.1,None,head]'
    """
    text = _plain_text(value)
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    try:
        options = parser.parse_args(['--cfg-options', f'key={text}']).cfg_options
    except (AssertionError, RecursionError):  # of unbalanced brackets
        options = {}
    if repr(options.get('key')) != repr(value):
        raise ValueError(
            f'{value!r} cannot be passed on by --cfg-options: override the keys below '
            'it one by one, or write a derived config that has the value.'
        )
    return text


def _plain_text(value) -> str:
    if isinstance(value, (list, tuple)):
        brackets = '[]' if isinstance(value, list) else '()'
        return brackets[0] + ','.join(map(_plain_text, value)) + brackets[1]
    return str(value)


def fingerprint(cfg: Config, *more) -> str:
    """Digest of a config's values, whatever its comments and bases are.

    Args:
        cfg (Config): The config with all overrides.
        *more: Other values that identify the training.

    Returns:
        str: Ten hexadecimal digits.

    Examples:
        >>> from mmengine.config import Config
        >>> from ccsam_mm.experiments.stage import fingerprint
        >>> fingerprint(Config(dict(lr=0.1))) == fingerprint(Config(dict(lr=0.2)))
        False
    """
    text = json.dumps([cfg.to_dict(), *more], default=_name)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _name(value) -> str:
    """A name without an address in memory, where there is one."""
    return getattr(value, '__qualname__', None) or str(value)
