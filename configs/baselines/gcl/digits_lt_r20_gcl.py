# GCL on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/gcl/digits_lt_r20_gcl.py
# Stage 1, with Mixup as in the authors' code.
# Checked: builds and steps; not run at full length.
_base_ = '../mixup/digits_lt_r20_mixup.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='GCLLoss')))
