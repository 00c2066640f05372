# Cross entropy on Places-LT (4980 .. 5 images per class), ResNet-152.
#   python tools/train.py configs/baselines/ce/places_lt_r152_ce.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/ce/places_lt_r152_ce.py 8
# The paper's Table 3 has 30.2 % top-1 (many 45.7, medium 27.3, few 8.2).
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/places_lt_r152.py',
    '../../_base_/schedules/places_lt_30e.py',
    '../../_base_/default_runtime.py',
]
