# ImbSAM on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/imbsam/digits_lt_r20_imbsam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

# rho and the threshold are the defaults of the authors' script for CIFAR-100-LT.
optim_wrapper = dict(type='ImbSAMOptimWrapper', rho=0.05, tail_threshold=20)
