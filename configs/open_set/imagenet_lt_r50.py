# Open-set test on ImageNet-LT (50,000 known and 18,000 unknown images), ResNet-50.
# For a checkpoint of imagenet_lt_r50_ce, _stage1, _stage2 or another method:
#   python tools/test.py configs/open_set/imagenet_lt_r50.py CHECKPOINT
#   bash tools/dist_test.sh configs/open_set/imagenet_lt_r50.py CHECKPOINT 8
# The paper's Table 4 has F = 0.552 (many 61.4, medium 49.5, few 37.1).
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/models/resnet50.py',
    '../_base_/datasets/imagenet_lt_open.py',
    '../_base_/schedules/imagenet_lt_180e.py',
    '../_base_/default_runtime.py',
]

# Mixup's train_cfg would make one-hot labels, which do not exist for unknown classes.
model = dict(train_cfg=None)
