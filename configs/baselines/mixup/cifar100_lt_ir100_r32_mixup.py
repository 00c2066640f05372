# Mixup (Zhang et al., ICLR 2018) on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/mixup/cifar100_lt_ir100_r32_mixup.py
# The paper's Table 1 has 40.01 % top-1 (CE + Mixup).
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar100_lt_ir100_r32_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))
