# Cross entropy on eight known classes of Fashion-MNIST-LT (5900 .. 59 images), ResNet-20.
#   python tools/train.py configs/open_set/fashion_mnist_lt_known_r20_ce.py
# Tested on known classes here, with unknown ones by configs/open_set/fashion_mnist_lt_r20.py.
# Checked: run (docs/open_set.md).
_base_ = [
    '../_base_/settings/fashion_mnist_lt_known_r20.py',
    '../_base_/schedules/fashion_mnist_30e.py',
    '../_base_/default_runtime.py',
]
