# LDAM-DRW on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/ldam_drw/fashion_mnist_lt_small_r8_ldam_drw.py
# Margin and scale of the authors' code for CIFAR.
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='LDAMLoss')))
# Deferred re-weighting for the last fifth of the training, as on CIFAR.
default_hooks = dict(class_weight=dict(type='ClassWeightHook', begin=24))
