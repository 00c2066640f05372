# Does the shipped setting hold for ResNet-32? CIFAR-10-LT at 16x16, half of the schedules.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_r32_confirm.py --jobs 2
_base_ = './cifar10_lt_confirm.py'

_configs = dict(
    ce='configs/baselines/ce/cifar10_lt_16px_r32_ce.py',
    floor='configs/ccsam/cifar10_lt_16px_r32_stage1.py',
    sam='configs/baselines/ce/cifar10_lt_16px_r32_ce.py',
)
_grids = dict(
    ce={},
    floor={'stage1.optim_wrapper.rho_scale': [0.01]},
    sam={'stage1.+optim_wrapper.rho': [0.1]},
)
_stage2 = 'configs/ccsam/cifar10_lt_16px_r32_stage2.py'
_half_of_200 = {
    'train_cfg.max_epochs': 100,
    'train_cfg.val_interval': 100,
    'param_scheduler.1.milestones': [80, 90],
}
_half_of_30 = {
    'train_cfg.max_epochs': 15,
    'train_cfg.val_interval': 15,
    'param_scheduler.T_max': 15,
}


def _stage(name, stage):
    """The same stage at ResNet-32."""
    first = stage['name'] == 'stage1'
    config = _configs[name] if first else _stage2
    half = _half_of_200 if first else _half_of_30
    return dict(stage, config=config, overrides={**stage.get('overrides', {}), **half})


work_dir = 'work_dirs/sweeps/cifar10_lt_r32_confirm'
results = 'docs/sweeps/cifar10_lt_r32_confirm.jsonl'
runs = [
    dict(
        run,
        grid=_grids[run['name']],
        stages=[_stage(run['name'], stage) for stage in run['stages']],
    )
    for run in _base_.runs
    if run['name'] in _configs
]
