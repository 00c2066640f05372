# GCL on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/gcl/cifar10_lt_ir100_r32_gcl.py
# Stage 1, with Mixup as in the authors' code.
# Checked: builds and steps; not run at full length.
_base_ = '../mixup/cifar10_lt_ir100_r32_mixup.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='GCLLoss')))
