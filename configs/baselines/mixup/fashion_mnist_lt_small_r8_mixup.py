# Mixup (Zhang et al., ICLR 2018) on small Fashion-MNIST-LT (14x14, 1000 .. 10), ResNet-8.
#   python tools/train.py configs/baselines/mixup/fashion_mnist_lt_small_r8_mixup.py
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))
