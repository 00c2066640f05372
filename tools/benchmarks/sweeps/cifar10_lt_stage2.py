# Which stage 2 is best, after cross entropy and after CC-SAM? CIFAR-10-LT, small.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_stage2.py --jobs 2
_base_ = './cifar10_lt_stage1.py'

_data = 'cifar10_lt'
_ce = f'configs/baselines/ce/{_data}_small_r8_ce.py'
_ccsam = f'configs/ccsam/{_data}_small_r8_stage1.py'
_stage2 = f'configs/ccsam/{_data}_small_r8_stage2.py'
_first = dict(ce=_ce, ccsam=_ccsam)
_reset = {'+model.head.reset_classifier': True}
_variants = dict(
    keep=dict(overrides={'+model.head.max_adv_weight': 0}),
    crt=dict(overrides={'+model.head.max_adv_weight': 0, **_reset}),
    adv=dict(grid={'stage2.+model.head.adv_step': [0.1, 0.3, 1.0, 3.0]}),
    adv_reset=dict(
        overrides=_reset, grid={'stage2.+model.head.adv_step': [0.1, 0.3, 1.0, 3.0]}
    ),
    adv_capped=dict(grid={'stage2.+model.head.max_adv_weight': [0.3]}),
    adv_moving=dict(overrides={'+model.moving_statistics': True}),
    crt_moving=dict(
        overrides={
            '+model.head.max_adv_weight': 0,
            '+model.moving_statistics': True,
            **_reset,
        }
    ),
)


def _run(before, name, overrides={}, grid={}):  # noqa: B006
    """One second stage after one first stage."""
    stages = [
        dict(name='stage1', config=_first[before]),
        dict(name='stage2', config=_stage2, overrides=overrides, loads='stage1'),
    ]
    return dict(name=f'{before}_{name}', stages=stages, grid=grid)


results = f'docs/sweeps/{_data}_stage2.jsonl'
seeds = [0, 1, 2]
baseline = 'ce_crt'
select = dict(metric='accuracy/class_mean', stage='stage2')
runs = [
    _run(before, name, **_variants[name]) for before in _first for name in _variants
]
