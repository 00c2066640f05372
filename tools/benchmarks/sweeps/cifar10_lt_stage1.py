# Which stage 1 is best before cRT or adversarial features? CIFAR-10-LT, small.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_stage1.py --jobs 2
_data = 'cifar10_lt'
_ce = f'configs/baselines/ce/{_data}_small_r8_ce.py'
_ccsam = f'configs/ccsam/{_data}_small_r8_stage1.py'
_mixup = f'configs/baselines/mixup/{_data}_small_r8_mixup.py'
_stage2 = f'configs/ccsam/{_data}_small_r8_stage2.py'
_crt = {'+model.head.max_adv_weight': 0, '+model.head.reset_classifier': True}
_sam = {'optim_wrapper.type': 'SAMOptimWrapper'}
_imbsam = {'optim_wrapper.type': 'ImbSAMOptimWrapper'}
_imbsam['+optim_wrapper.tail_threshold'] = 100
_focal_sam = {'optim_wrapper.type': 'FocalSAMOptimWrapper'}
_focal_sam.update({'+optim_wrapper.gamma': 3.0, '+optim_wrapper.sharpness_weight': 0.5})
_balanced = {'model.head.loss.type': 'BalancedSoftmaxLoss'}
_mixed = {
    '+model.train_cfg.augments.type': 'Mixup',
    '+model.train_cfg.augments.alpha': 1.0,
}
# Another floor than the config's; or none, with another bound or without.
_floor_1 = {'optim_wrapper.min_grad_norm': 1.0}
_plain = {'optim_wrapper.min_grad_norm': 0.0}
_capped = {**_plain, '+optim_wrapper.max_relative_norm': 0.1}
_last_block = {'optim_wrapper.perturb': ['backbone.layer3.0', 'head']}
_whole_network = {'optim_wrapper.perturb': ''}
_strength = 'stage1.optim_wrapper.rho_scale'
_cap = 'stage1.+optim_wrapper.max_relative_norm'
_floor = 'stage1.optim_wrapper.min_grad_norm'
_rho = 'stage1.+optim_wrapper.rho'
_radius = 'stage1.+optim_wrapper.radius'


def _run(name, config, overrides={}, grid={}):  # noqa: B006
    """Both second stages after one first stage."""
    stages = [
        dict(name='stage1', config=config, overrides=overrides),
        dict(name='crt', config=_stage2, overrides=_crt, loads='stage1'),
        dict(name='adversarial', config=_stage2, loads='stage1'),
    ]
    return dict(name=name, stages=stages, grid=grid)


work_dir = f'work_dirs/sweeps/{_data}_stage1'
results = f'docs/sweeps/{_data}_stage1.jsonl'
seeds = [0]
baseline = 'ce'
select = dict(metric='accuracy/class_mean', stage='crt')
# Any copy of the images in the official layout will do.
common = {
    '+train_dataloader.dataset.dataset.verify_md5': False,
    '+val_dataloader.dataset.dataset.verify_md5': False,
    '+test_dataloader.dataset.dataset.verify_md5': False,
    '+test_dataloader.dataset.reference.dataset.verify_md5': False,
}
runs = [
    _run('ce', _ce),
    _run(
        'ccsam', _ccsam, _capped, {_strength: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]}
    ),
    # Within the premise rho << ||w||: a floor, and how high it is.
    _run('floor', _ccsam, _floor_1, {_strength: [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]}),
    _run('floor_height', _ccsam, grid={_floor: [0.1, 0.3, 3.0, 10.0]}),
    _run(
        'last_block_floor',
        _ccsam,
        {**_floor_1, **_last_block},
        {_strength: [0.003, 0.01]},
    ),
    _run(
        'whole_network_floor',
        _ccsam,
        {**_floor_1, **_whole_network},
        {_strength: [0.001, 0.003, 0.01]},
    ),
    _run('sam', _ce, _sam, {_rho: [0.05, 0.1, 0.2]}),
    _run('balanced', _ce, _balanced),
    _run(
        'balanced_ccsam',
        _ccsam,
        {**_capped, **_balanced},
        {_strength: [0.003, 0.01, 0.1]},
    ),
    _run('imbsam', _ce, _imbsam, {_rho: [0.05, 0.1, 0.2]}),
    _run('focal_sam', _ce, _focal_sam, {_rho: [0.05, 0.1, 0.2]}),
    _run('mixup', _mixup),
    _run(
        'mixup_floor', _ccsam, {**_floor_1, **_mixed}, {_strength: [0.003, 0.01, 0.03]}
    ),
    # The rows of the paper's Table 2.
    _run(
        'random_direction',
        _ccsam,
        {**_capped, '+optim_wrapper.direction': 'random'},
        {_strength: [0.1]},
    ),
    _run(
        'fixed_radius',
        _ccsam,
        _plain,
        {_radius: [0.1]},
    ),
    _run('no_cap', _ccsam, _plain, {_strength: [0.03, 1.0], _cap: [None]}),
    _run('larger_cap', _ccsam, _plain, {_strength: [0.3], _cap: [0.3]}),
    _run(
        'warmup',
        _ccsam,
        {**_plain, '+optim_wrapper.rho_warmup': 0.5},
        {_strength: [0.1], _cap: [0.1, None]},
    ),
    _run(
        'mean_over_classes',
        _ccsam,
        {**_capped, '+optim_wrapper.class_reduction': 'class'},
        {_strength: [0.1]},
    ),
    _run(
        'last_block',
        _ccsam,
        {**_capped, **_last_block},
        {_strength: [0.003, 0.01]},
    ),
    _run(
        'whole_network',
        _ccsam,
        {**_capped, **_whole_network},
        {_strength: [0.001, 0.003]},
    ),
]
