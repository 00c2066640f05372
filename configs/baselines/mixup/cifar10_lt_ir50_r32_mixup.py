# Mixup (Zhang et al., ICLR 2018) on CIFAR-10-LT (imbalance 50), ResNet-32.
#   python tools/train.py configs/baselines/mixup/cifar10_lt_ir50_r32_mixup.py
# The paper's Table 1 has 79.48 % top-1 (CE + Mixup).
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir50_r32_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))
