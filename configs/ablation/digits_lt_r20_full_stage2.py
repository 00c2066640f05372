# cRT after CC-SAM's stage 1, Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of configs/ccsam/digits_lt_r20_stage1.py automatically.
#   python tools/train.py configs/ablation/digits_lt_r20_full_stage2.py
# The paper's Table 2 has 40.1 % top-1 on Places-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/digits_lt_r20_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))

default_hooks = dict(load_stage1=dict(stage1='../ccsam/digits_lt_r20_stage1.py'))
