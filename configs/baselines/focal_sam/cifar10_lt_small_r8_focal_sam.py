# Focal-SAM on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/baselines/focal_sam/cifar10_lt_small_r8_focal_sam.py
# Checked: run (docs/results.md).
_base_ = '../ce/cifar10_lt_small_r8_ce.py'

# rho was chosen on the validation split (docs/results.md).
optim_wrapper = dict(
    type='FocalSAMOptimWrapper', rho=0.2, gamma=3.0, sharpness_weight=0.5
)
