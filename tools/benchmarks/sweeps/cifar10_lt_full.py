# The paper's benchmark at full length: CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_full.py --jobs 2
# Recipe of LDAM and MiSLAS: 200 epochs, batch 64, warm-up by epochs from a fifth of
# the rate, drops at 160 and 180, weight decay 2e-4, Kaiming-normal head. As published,
# there is no validation part: the last epoch counts, on test images; none is selected.
_configs = 'configs/baselines'
_name = 'cifar10_lt_ir100_r32'
_ce = f'{_configs}/ce/{_name}_ce.py'
_mixup = f'{_configs}/mixup/{_name}_mixup.py'
_ccsam = f'configs/ccsam/{_name}_stage1.py'
_balanced = f'{_configs}/balanced_softmax/{_name}_balanced_softmax.py'
_sam = f'{_configs}/sam/{_name}_sam.py'
_crt = f'{_configs}/crt/{_name}_crt_stage2.py'
_adversarial = f'configs/ccsam/{_name}_stage2.py'
_mixed = {
    '+model.train_cfg.augments.type': 'Mixup',
    '+model.train_cfg.augments.alpha': 1.0,
}
_recipe = {
    'stage1.+model.head.init_cfg.type': 'Kaiming',
    'stage1.+model.head.init_cfg.layer': 'Linear',
    'stage1.+model.head.init_cfg.mode': 'fan_in',
    'stage1.param_scheduler.0.start_factor': 0.2,
    'stage1.param_scheduler.0.convert_to_iter_based': False,
}


def _run(name, config, overrides={}):  # noqa: B006
    """Both second stages after one first stage."""
    stages = [
        dict(name='stage1', config=config, overrides=overrides),
        dict(name='crt', config=_crt, loads='stage1'),
        dict(name='adversarial', config=_adversarial, loads='stage1'),
    ]
    return dict(name=name, stages=stages)


work_dir = 'work_dirs/sweeps/cifar10_lt_full'
results = 'docs/sweeps/cifar10_lt_full.jsonl'
seeds = [0, 1, 2]
baseline = 'ce'
select = dict(metric='accuracy/top1', stage='stage1')
common = {
    'train_cfg.val_interval': 10,
    # Images in memory: one process a training keeps up.
    'train_dataloader.num_workers': 0,
    'val_dataloader.num_workers': 0,
    'test_dataloader.num_workers': 0,
    # Any copy of the images in the official layout will do.
    '+train_dataloader.dataset.verify_md5': False,
    '+val_dataloader.dataset.verify_md5': False,
    '+test_dataloader.dataset.verify_md5': False,
    **_recipe,
}
runs = [
    _run('ce', _ce),
    _run('mixup', _mixup),
    _run('ccsam', _ccsam),
    _run('mixup_ccsam', _ccsam, _mixed),
    _run('balanced_softmax', _balanced),
    _run('sam', _sam, {'optim_wrapper.rho': 0.1}),
]
