# LDAM-DRW on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/ldam_drw/cifar100_lt_ir100_r32_ldam_drw.py
# Margin and scale of the authors' code for CIFAR.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar100_lt_ir100_r32_ce.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='LDAMLoss')))
# Deferred re-weighting begins where the learning rate falls first.
default_hooks = dict(class_weight=dict(type='ClassWeightHook', begin=160))
