# cRT after Mixup on CIFAR-100-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/mixup/cifar100_lt_ir100_r32_mixup.py automatically.
#   python tools/train.py configs/baselines/crt/cifar100_lt_ir100_r32_mixup_crt_stage2.py
# The paper's Table 1 has 45.12 % top-1 (CE + Mixup + cRT).
# Checked: builds and steps; not run at full length.
_base_ = './cifar100_lt_ir100_r32_crt_stage2.py'

default_hooks = dict(load_stage1=dict(stage1='../mixup/cifar100_lt_ir100_r32_mixup.py'))
