# Cross entropy on CIFAR-10-LT at 16x16 (4500 .. 45 images per class), ResNet-32.
#   python tools/train.py configs/baselines/ce/cifar10_lt_16px_r32_ce.py
# Checked: run with half of the schedule (docs/results.md).
_base_ = [
    '../../_base_/settings/cifar10_lt_16px_r32.py',
    '../../_base_/schedules/cifar_200e.py',
    '../../_base_/default_runtime.py',
]
