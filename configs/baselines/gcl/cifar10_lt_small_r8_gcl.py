# GCL on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/gcl/cifar10_lt_small_r8_gcl.py
# Stage 1, with Mixup as in the authors' code.
# Checked: run (docs/results.md).
_base_ = '../mixup/cifar10_lt_small_r8_mixup.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='GCLLoss')))
