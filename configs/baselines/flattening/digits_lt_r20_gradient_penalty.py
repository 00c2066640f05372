# Penalty of the gradient norm (GNP) on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/flattening/digits_lt_r20_gradient_penalty.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

# The authors' values for CIFAR.
optim_wrapper = dict(type='SAMOptimWrapper', rho=0.1, perturbed_weight=0.8)
