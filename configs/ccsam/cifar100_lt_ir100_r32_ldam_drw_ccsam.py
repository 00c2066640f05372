# LDAM-DRW with CC-SAM on CIFAR-100-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/ccsam/cifar100_lt_ir100_r32_ldam_drw_ccsam.py
# The cosine head takes the class-routed passes.
# Checked: builds and steps; not run at full length.
_base_ = '../baselines/ldam_drw/cifar100_lt_ir100_r32_ldam_drw.py'

# The values for cross entropy, not tuned for this loss.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, min_grad_norm=3.0
)
