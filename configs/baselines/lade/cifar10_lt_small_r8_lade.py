# LADE on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/lade/cifar10_lt_small_r8_lade.py
# The authors' alpha and lam for CIFAR-100-LT.
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss')))
