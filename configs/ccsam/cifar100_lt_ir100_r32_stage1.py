# CC-SAM, stage 1, on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/ccsam/cifar100_lt_ir100_r32_stage1.py
# The paper's Table 1 has 50.83 % top-1 after stage 2.
# Checked: builds and steps; not run at full length.
_base_ = '../baselines/ce/cifar100_lt_ir100_r32_ce.py'

# The setting with the best validation accuracy on small data sets: docs/results.md.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, min_grad_norm=3.0
)
