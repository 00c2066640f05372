# LDAM-DRW on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/ldam_drw/cifar10_lt_small_r8_ldam_drw.py
# Margin and scale of the authors' code for CIFAR.
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='LDAMLoss')))
# Deferred re-weighting for the last fifth of the training, as on CIFAR.
default_hooks = dict(class_weight=dict(type='ClassWeightHook', begin=24))
