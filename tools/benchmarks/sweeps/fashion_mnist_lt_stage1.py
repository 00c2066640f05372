# Which stage 1 is best before cRT or adversarial features? Fashion-MNIST-LT, small.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/fashion_mnist_lt_stage1.py --jobs 2
_base_ = './cifar10_lt_stage1.py'

_grids = dict(last_block={'stage1.optim_wrapper.rho_scale': [0.01, 0.03]})


def _on_fashion_mnist(run):
    """A row of the sweep on CIFAR-10-LT with the configs of Fashion-MNIST-LT."""
    stages = [
        dict(stage, config=stage['config'].replace('cifar10_lt', 'fashion_mnist_lt'))
        for stage in run['stages']
    ]
    return dict(run, stages=stages, grid=_grids.get(run['name'], run['grid']))


work_dir = 'work_dirs/sweeps/fashion_mnist_lt_stage1'
results = 'docs/sweeps/fashion_mnist_lt_stage1.jsonl'
common = dict(_delete_=True)
runs = [_on_fashion_mnist(run) for run in _base_.runs]
