# cRT after "Stage 1 + mag", Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of its own stage 1 automatically.
#   python tools/train.py configs/ablation/digits_lt_r20_mag_stage2.py
# The paper's Table 2 has 37.5 % top-1 on Places-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/digits_lt_r20_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))
