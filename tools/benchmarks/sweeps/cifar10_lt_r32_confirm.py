# Does the shipped strength hold for ResNet-32? CIFAR-10-LT at 16x16, half the epochs.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_r32_confirm.py --jobs 2
_base_ = './cifar10_lt_confirm.py'

_strength = 'stage1.optim_wrapper.rho_scale'
_floor = 'stage1.optim_wrapper.min_grad_norm'
_grids = dict(
    ce={},
    floor={_strength: [0.01], _floor: [3.0]},
)


def _half(epochs):
    """Train half as long as the config, and validate at the end."""
    return {'train_cfg.max_epochs': epochs // 2, 'train_cfg.val_interval': epochs // 2}


_schedule1 = {**_half(200), 'param_scheduler.1.milestones': [80, 90]}
_schedule2 = {**_half(30), 'param_scheduler.T_max': 15}
# Adversarial features start from the classifier of stage 1, cRT from a fresh one; this
# tells what each of the two differences does.
_keep = dict(
    name='keep',
    config='configs/ccsam/cifar10_lt_small_r8_stage2.py',
    overrides={'+model.head.max_adv_weight': 0},
    loads='stage1',
)


def _on_resnet32(stage):
    """The same stage of the larger network, with its schedule."""
    schedule = _schedule1 if stage['name'] == 'stage1' else _schedule2
    return dict(
        stage,
        config=stage['config'].replace('small_r8', '16px_r32'),
        overrides={**stage.get('overrides', {}), **schedule},
    )


work_dir = 'work_dirs/sweeps/cifar10_lt_r32_confirm'
results = 'docs/sweeps/cifar10_lt_r32_confirm.jsonl'
runs = [
    dict(
        run,
        grid=_grids[run['name']],
        stages=[_on_resnet32(stage) for stage in (*run['stages'], _keep)],
    )
    for run in _base_.runs
    if run['name'] in _grids
]
