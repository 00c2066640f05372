# Cross entropy on Fashion-MNIST-LT (6000 .. 60 images per class), ResNet-20.
#   python tools/train.py configs/baselines/ce/fashion_mnist_lt_r20_ce.py
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/fashion_mnist_lt_r20.py',
    '../../_base_/schedules/fashion_mnist_30e.py',
    '../../_base_/default_runtime.py',
]
