# MiSLAS with CC-SAM: its stage 2 after CC-SAM on Mixup. CIFAR-100-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/ccsam/cifar100_lt_ir100_r32_mixup_stage1.py automatically.
#   python tools/train.py configs/ccsam/cifar100_lt_ir100_r32_mixup_mislas_stage2.py
# Checked: builds and steps; not run at full length.
_base_ = '../baselines/mislas/cifar100_lt_ir100_r32_mislas_stage2.py'

default_hooks = dict(load_stage1=dict(stage1='cifar100_lt_ir100_r32_mixup_stage1.py'))
