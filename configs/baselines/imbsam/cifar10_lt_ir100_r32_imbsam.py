# ImbSAM on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/imbsam/cifar10_lt_ir100_r32_imbsam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

# Three classes are below the threshold, which is ours: all have 50 images or more.
# rho is the default of the authors' script for CIFAR-100-LT.
optim_wrapper = dict(type='ImbSAMOptimWrapper', rho=0.05, tail_threshold=200)
