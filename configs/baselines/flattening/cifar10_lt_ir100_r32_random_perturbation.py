# Random perturbation of the weights (after F2M) on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/flattening/cifar10_lt_ir100_r32_random_perturbation.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

# Two draws from the range of the authors' code.
optim_wrapper = dict(type='RandomPerturbationOptimWrapper', bound=0.005)
