# SAM on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/sam/cifar10_lt_small_r8_sam.py
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

# rho was chosen on the validation split (docs/results.md).
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.1)
