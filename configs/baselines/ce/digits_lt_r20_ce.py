# Cross entropy on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/ce/digits_lt_r20_ce.py
# Checked: run (README).
_base_ = [
    '../../_base_/settings/digits_lt_r20.py',
    '../../_base_/schedules/digits_200e.py',
    '../../_base_/default_runtime.py',
]
