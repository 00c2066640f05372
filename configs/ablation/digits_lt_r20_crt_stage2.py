# cRT after cross entropy, Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of configs/baselines/ce/digits_lt_r20_ce.py automatically.
#   python tools/train.py configs/ablation/digits_lt_r20_crt_stage2.py
# The paper's Table 2 has 37.8 % top-1 on Places-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/digits_lt_r20_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))

default_hooks = dict(load_stage1=dict(stage1='../baselines/ce/digits_lt_r20_ce.py'))
