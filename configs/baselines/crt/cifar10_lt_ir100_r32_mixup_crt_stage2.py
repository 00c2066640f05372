# cRT after Mixup on CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/mixup/cifar10_lt_ir100_r32_mixup.py automatically.
#   python tools/train.py configs/baselines/crt/cifar10_lt_ir100_r32_mixup_crt_stage2.py
# The paper's Table 1 has 79.15 % top-1 (CE + Mixup + cRT).
# Checked: builds and steps; not run at full length.
_base_ = './cifar10_lt_ir100_r32_crt_stage2.py'

default_hooks = dict(load_stage1=dict(stage1='../mixup/cifar10_lt_ir100_r32_mixup.py'))
