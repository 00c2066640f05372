# cRT after cross entropy on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
# Loads the checkpoint of configs/baselines/ce/cifar10_lt_small_r8_ce.py automatically.
#   python tools/train.py configs/baselines/crt/cifar10_lt_small_r8_crt_stage2.py
# Checked: run (docs/results.md).
_base_ = '../../ccsam/cifar10_lt_small_r8_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))
default_hooks = dict(load_stage1=dict(stage1='../ce/cifar10_lt_small_r8_ce.py'))
