# Focal loss on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/focal/fashion_mnist_lt_small_r8_focal.py
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

model = dict(head=dict(loss=dict(type='SoftmaxFocalLoss')))
