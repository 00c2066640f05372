# "Stage 1 + dir": the right direction, length 1
# on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/ablation/digits_lt_r20_dir_stage1.py
# The paper's Table 2 has 38.9 % top-1 on Places-LT after cRT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/digits_lt_r20_stage1.py'

# The length is the paper's own, whatever the norm of the weights.
optim_wrapper = dict(radius=1.0, max_relative_norm=None)
