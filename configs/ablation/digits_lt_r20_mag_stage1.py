# "Stage 1 + mag": the right length, a random direction
# on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/ablation/digits_lt_r20_mag_stage1.py
# The paper's Table 2 has 37.5 % top-1 on Places-LT after cRT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/digits_lt_r20_stage1.py'

optim_wrapper = dict(direction='random')
