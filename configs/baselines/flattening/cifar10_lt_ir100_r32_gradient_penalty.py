# Penalty of the gradient norm (GNP) on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/flattening/cifar10_lt_ir100_r32_gradient_penalty.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

# The authors' values for CIFAR.
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.1, perturbed_weight=0.8)
