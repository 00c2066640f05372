# Every method, with each second stage that suits it. CIFAR-10-LT, small.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/cifar10_lt_methods.py --jobs 2
# Settings are those of the configs: published ones, or chosen on validation before
# (docs/results.md). Nothing is chosen here, and every row is tested once.
_data = 'cifar10_lt_small_r8'
_baselines = 'configs/baselines/{0}/' + _data + '_{0}'
_first = {
    name: f'{_baselines.format(name)}.py'
    for name in (
        'ce', 'mixup', 'balanced_softmax', 'focal', 'ldam_drw', 'vs_loss', 'lade',
        'gcl', 'sam', 'imbsam', 'focal_sam',
    )
}  # fmt: skip
_first['weight_balancing'] = f'{_baselines.format("weight_balancing")}_stage1.py'
_first['ccsam'] = f'configs/ccsam/{_data}_stage1.py'
_second = {
    name: f'{_baselines.format(name)}_stage2.py'
    for name in (
        'crt', 'lws', 'mislas', 'disalign', 'gcl', 'weight_balancing', 'los'
    )
}  # fmt: skip
_second['adversarial'] = f'configs/ccsam/{_data}_stage2.py'
# What builds on stage 1's classifier needs a linear one.
_of_linear = ('ce', 'mixup', 'ccsam')
_after = dict(
    crt=_first,
    adversarial=_first,
    lws=_of_linear,
    mislas=_of_linear,
    disalign=_of_linear,
    gcl=('gcl',),
    weight_balancing=('weight_balancing',),
    los=('weight_balancing',),
)


def _run(first, second=None):
    """A row: a first stage, or a second stage after it."""
    last = dict(name='last', config=_second[second] if second else _first[first])
    if second is None:
        return dict(name=first, stages=[last])
    stages = [dict(name='stage1', config=_first[first]), dict(last, loads='stage1')]
    return dict(name=f'{first}+{second}', stages=stages)


work_dir = 'work_dirs/sweeps/cifar10_lt_methods'
results = 'docs/sweeps/cifar10_lt_methods.jsonl'
seeds = [0, 1, 2]
baseline = 'ce'
test = True
select = dict(metric='accuracy/class_mean', stage='last')
# Any copy of the images in the official layout will do.
common = {
    '+train_dataloader.dataset.dataset.verify_md5': False,
    '+val_dataloader.dataset.dataset.verify_md5': False,
    '+test_dataloader.dataset.dataset.verify_md5': False,
    '+test_dataloader.dataset.reference.dataset.verify_md5': False,
}
runs = [
    *map(_run, _first),
    *(_run(first, second) for second in _after for first in _after[second]),
]
