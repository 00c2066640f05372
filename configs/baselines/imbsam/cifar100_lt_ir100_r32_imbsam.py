# ImbSAM on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/imbsam/cifar100_lt_ir100_r32_imbsam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar100_lt_ir100_r32_ce.py'

# rho and the threshold are the defaults of the authors' script for this data set.
optim_wrapper = dict(type='ImbSAMOptimWrapper', rho=0.05, tail_threshold=20)
