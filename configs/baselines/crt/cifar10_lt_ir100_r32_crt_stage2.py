# cRT after cross entropy, CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/ce/cifar10_lt_ir100_r32_ce.py automatically.
#   python tools/train.py configs/baselines/crt/cifar10_lt_ir100_r32_crt_stage2.py
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar10_lt_ir100_r32_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))

default_hooks = dict(load_stage1=dict(stage1='../ce/cifar10_lt_ir100_r32_ce.py'))
