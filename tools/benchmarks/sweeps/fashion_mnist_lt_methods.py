# Every method, with each second stage that suits it. Fashion-MNIST-LT, small.
#   python tools/benchmarks/sweep.py \
#       tools/benchmarks/sweeps/fashion_mnist_lt_methods.py --jobs 2
_base_ = './cifar10_lt_methods.py'


def _on_fashion_mnist(run):
    """A row of the sweep on CIFAR-10-LT with the configs of Fashion-MNIST-LT."""
    stages = [
        dict(stage, config=stage['config'].replace('cifar10_lt', 'fashion_mnist_lt'))
        for stage in run['stages']
    ]
    return dict(run, stages=stages)


work_dir = 'work_dirs/sweeps/fashion_mnist_lt_methods'
results = 'docs/sweeps/fashion_mnist_lt_methods.jsonl'
common = dict(_delete_=True)
runs = [_on_fashion_mnist(run) for run in _base_.runs]
