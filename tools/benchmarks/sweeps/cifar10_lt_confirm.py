# The best first stages with three seeds, and their test. CIFAR-10-LT, small.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_confirm.py --jobs 2
_base_ = './cifar10_lt_stage1.py'

_strength = 'stage1.optim_wrapper.rho_scale'
_floor = 'stage1.optim_wrapper.min_grad_norm'
_rho = 'stage1.+optim_wrapper.rho'
_grids = dict(
    ce={},
    ccsam={_strength: [0.01]},
    floor={_strength: [0.01, 0.03], _floor: [0.3, 1.0, 3.0, 10.0]},
    whole_network_floor={_strength: [0.003]},
    sam={_rho: [0.1]},
    imbsam={_rho: [0.2]},
    focal_sam={_rho: [0.2]},
    balanced={},
    balanced_ccsam={_strength: [0.003]},
    mixup={},
    mixup_floor={_strength: [0.01]},
    mean_over_classes={_strength: [0.01, 0.1]},
)

results = 'docs/sweeps/cifar10_lt_confirm.jsonl'
seeds = [0, 1, 2]
test = True
runs = [
    dict(run, grid=_grids[run['name']]) for run in _base_.runs if run['name'] in _grids
]
