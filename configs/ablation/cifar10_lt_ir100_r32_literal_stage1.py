# CC-SAM with the literal Eq. 8 and 9, stage 1, on CIFAR-10-LT
# (imbalance 100), ResNet-32.
#   python tools/train.py configs/ablation/cifar10_lt_ir100_r32_literal_stage1.py
# The paper's Table 1 has 83.92 % top-1 after stage 2.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/cifar10_lt_ir100_r32_stage1.py'

# No factor, no floor, no cap: the perturbation norm is about that of the weights.
optim_wrapper = dict(rho_scale=1.0, min_grad_norm=0.0)
