# Cross entropy on small Fashion-MNIST-LT (14x14, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/ce/fashion_mnist_lt_small_r8_ce.py
# Checked: run (docs/results.md).
_base_ = [
    '../../_base_/settings/fashion_mnist_lt_small_r8.py',
    '../../_base_/schedules/small_30e.py',
    '../../_base_/default_runtime.py',
]
