# SAM on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/sam/digits_lt_r20_sam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

# rho is the value of SAM's paper for CIFAR-10, not tuned here.
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.05)
