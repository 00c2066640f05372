# Open-set test on digits: eight known classes (Digits-LT), two unknown, ResNet-20.
# For a checkpoint of digits_lt_known_r20_ce, _stage1 or _stage2:
#   python tools/analysis_tools/choose_threshold.py configs/open_set/digits_lt_r20.py CHECKPOINT
#   python tools/test.py configs/open_set/digits_lt_r20.py CHECKPOINT
# Checked: run (docs/open_set.md).
_base_ = [
    '../_base_/models/resnet20_small.py',
    '../_base_/datasets/digits_lt_open.py',
    '../_base_/schedules/digits_200e.py',
    '../_base_/default_runtime.py',
]

# Mixup's train_cfg would make one-hot labels, which do not exist for unknown classes.
model = dict(head=dict(num_classes=8), train_cfg=None)
