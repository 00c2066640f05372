# CC-SAM, stage 1, on the eight known digits of an open set (124 .. 2 images), ResNet-20.
#   python tools/train.py configs/open_set/digits_lt_known_r20_stage1.py
# Checked: run (docs/open_set.md).
_base_ = './digits_lt_known_r20_ce.py'

# The setting is that of configs/ccsam/digits_lt_r20_stage1.py.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, max_relative_norm=0.1
)
