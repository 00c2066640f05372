# Cross entropy on iNaturalist 2018 (1000 .. 2 images per class), ResNet-50.
#   python tools/train.py configs/baselines/ce/inat2018_r50_ce.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/ce/inat2018_r50_ce.py 8
# The paper's Table 3 has 61.7 % top-1 (many 72.2, medium 63.0, few 57.2).
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/inat2018_r50.py',
    '../../_base_/schedules/inat2018_200e.py',
    '../../_base_/default_runtime.py',
]
