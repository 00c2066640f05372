# Mixup (Zhang et al., ICLR 2018) on small CIFAR-10-LT (16x16, 1000 .. 10), ResNet-8.
#   python tools/train.py configs/baselines/mixup/cifar10_lt_small_r8_mixup.py
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))
