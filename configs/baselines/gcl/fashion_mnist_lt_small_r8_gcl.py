# GCL on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/gcl/fashion_mnist_lt_small_r8_gcl.py
# Stage 1, with Mixup as in the authors' code.
# Checked: run (docs/results.md).
_base_ = '../mixup/fashion_mnist_lt_small_r8_mixup.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='GCLLoss')))
