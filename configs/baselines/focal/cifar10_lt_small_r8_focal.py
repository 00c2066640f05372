# Focal loss on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/focal/cifar10_lt_small_r8_focal.py
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

model = dict(head=dict(loss=dict(type='SoftmaxFocalLoss')))
