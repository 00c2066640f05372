# Focal-SAM on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/focal_sam/digits_lt_r20_focal_sam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

# The values are those of the authors' script for CIFAR-10-LT, not tuned here.
optim_wrapper = dict(
    type='FocalSAMOptimWrapper', rho=0.2, gamma=3.0, sharpness_weight=0.5
)
