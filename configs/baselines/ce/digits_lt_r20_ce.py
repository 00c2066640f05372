# Cross entropy on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/ce/digits_lt_r20_ce.py
# Checked: run (README).
_base_ = [
    '../../_base_/models/resnet20_small.py',
    '../../_base_/datasets/digits_lt.py',
    '../../_base_/schedules/cifar_200e.py',
    '../../_base_/default_runtime.py',
]

# The schedule's lr at this data set's batch size.
auto_scale_lr = dict(base_batch_size=32)
