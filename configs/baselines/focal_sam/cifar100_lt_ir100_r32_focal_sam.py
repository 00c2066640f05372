# Focal-SAM on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/focal_sam/cifar100_lt_ir100_r32_focal_sam.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar100_lt_ir100_r32_ce.py'

# The values are those of the authors' script for this data set, which uses
# logit adjustment as its loss; here it is cross entropy.
optim_wrapper = dict(
    type='FocalSAMOptimWrapper', rho=0.3, gamma=3.2, sharpness_weight=0.8
)
