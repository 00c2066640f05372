# cRT after cross entropy, Places-LT (4980 .. 5 images per class), ResNet-152.
# Loads the checkpoint of configs/baselines/ce/places_lt_r152_ce.py automatically.
#   python tools/train.py configs/ablation/places_lt_r152_crt_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ablation/places_lt_r152_crt_stage2.py 8
# The paper's Table 2 has 37.8 % top-1 on Places-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/places_lt_r152_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))

default_hooks = dict(load_stage1=dict(stage1='../baselines/ce/places_lt_r152_ce.py'))
