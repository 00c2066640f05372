# LDAM-DRW on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/ldam_drw/digits_lt_r20_ldam_drw.py
# Margin and scale of the authors' code for CIFAR.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='LDAMLoss')))
# Deferred re-weighting begins where the learning rate falls first.
default_hooks = dict(class_weight=dict(type='ClassWeightHook', begin=160))
