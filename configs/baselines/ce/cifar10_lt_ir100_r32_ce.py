# Cross entropy on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/ce/cifar10_lt_ir100_r32_ce.py
# The paper's Table 1 has 70.70 % top-1.
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/models/resnet32_cifar.py',
    '../../_base_/datasets/cifar10_lt.py',
    '../../_base_/schedules/cifar_200e.py',
    '../../_base_/default_runtime.py',
]
