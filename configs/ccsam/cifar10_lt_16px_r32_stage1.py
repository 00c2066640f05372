# CC-SAM, stage 1, on CIFAR-10-LT at 16x16 (4500 .. 45 images per class), ResNet-32.
#   python tools/train.py configs/ccsam/cifar10_lt_16px_r32_stage1.py
# Checked: run with half of the schedule (docs/results.md).
_base_ = '../baselines/ce/cifar10_lt_16px_r32_ce.py'

optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, min_grad_norm=3.0
)
