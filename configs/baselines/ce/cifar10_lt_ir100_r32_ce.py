# Cross entropy on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/ce/cifar10_lt_ir100_r32_ce.py
# The paper's Table 1 has 70.70 % top-1.
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/cifar10_lt_r32.py',
    '../../_base_/schedules/cifar_200e.py',
    '../../_base_/default_runtime.py',
]
