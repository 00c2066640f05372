# VS loss with SAM on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/sam/cifar100_lt_ir100_r32_vs_loss_sam.py
# The CC-SAM paper's Table 1 has 46.60 % top-1 for VS + SAM.
# Checked: builds and steps; not run at full length.
_base_ = '../vs_loss/cifar100_lt_ir100_r32_vs_loss.py'

# Saddle (Rangwani et al., NeurIPS 2022) does not publish its rho for VS: this is that
# of its LDAM-DRW.
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.8)
