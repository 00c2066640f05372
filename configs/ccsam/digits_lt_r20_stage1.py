# CC-SAM, stage 1, on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/ccsam/digits_lt_r20_stage1.py
# Checked: run (README).
_base_ = '../baselines/ce/digits_lt_r20_ce.py'

# The setting with the best validation accuracy after stage 2: docs/results.md.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, max_relative_norm=0.1
)
