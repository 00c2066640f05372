# Open-set test on CIFAR-10-LT (imbalance 100), CIFAR-100 being unknown, ResNet-32.
# For a checkpoint of cifar10_lt_ir100_r32_ce, _stage1, _stage2 or another method:
#   python tools/analysis_tools/choose_threshold.py configs/open_set/cifar10_lt_ir100_r32.py CHECKPOINT
#   python tools/test.py configs/open_set/cifar10_lt_ir100_r32.py CHECKPOINT
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/models/resnet32_cifar.py',
    '../_base_/datasets/cifar10_lt_open.py',
    '../_base_/schedules/cifar_200e.py',
    '../_base_/default_runtime.py',
]

# Mixup's train_cfg would make one-hot labels, which do not exist for unknown classes.
model = dict(train_cfg=None)
