# LDAM-DRW with SAM on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/sam/cifar100_lt_ir100_r32_ldam_drw_sam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ldam_drw/cifar100_lt_ir100_r32_ldam_drw.py'

# rho is the value of Saddle (Rangwani et al., NeurIPS 2022) for LDAM-DRW.
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.8)
