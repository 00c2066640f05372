# SAM on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/sam/cifar10_lt_ir100_r32_sam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

# rho is the value of SAM's paper for CIFAR-10 (balanced).
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.05)
