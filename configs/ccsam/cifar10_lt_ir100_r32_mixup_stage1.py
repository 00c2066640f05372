# CC-SAM on Mixup, stage 1, on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/ccsam/cifar10_lt_ir100_r32_mixup_stage1.py
# Checked: builds and steps; not run at full length.
_base_ = './cifar10_lt_ir100_r32_stage1.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))
