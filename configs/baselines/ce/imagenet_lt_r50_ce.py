# Cross entropy on ImageNet-LT (1280 .. 5 images per class), ResNet-50.
#   python tools/train.py configs/baselines/ce/imagenet_lt_r50_ce.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/ce/imagenet_lt_r50_ce.py 8
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/imagenet_lt_r50.py',
    '../../_base_/schedules/imagenet_lt_180e.py',
    '../../_base_/default_runtime.py',
]
