# VS loss on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/vs_loss/cifar10_lt_small_r8_vs_loss.py
# The defaults of the authors' code; their example for CIFAR-10-LT has gamma=0.2, tau=1.2.
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

model = dict(head=dict(loss=dict(type='VSLoss')))
