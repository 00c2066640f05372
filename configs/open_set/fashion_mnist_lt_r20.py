# Open-set test on Fashion-MNIST: eight known classes (long-tailed), two unknown, ResNet-20.
# For a checkpoint of fashion_mnist_lt_known_r20_ce, _stage1 or _stage2:
#   python tools/analysis_tools/choose_threshold.py configs/open_set/fashion_mnist_lt_r20.py CHECKPOINT
#   python tools/test.py configs/open_set/fashion_mnist_lt_r20.py CHECKPOINT
# Checked: run (docs/open_set.md).
_base_ = [
    '../_base_/models/resnet20_small.py',
    '../_base_/datasets/fashion_mnist_lt_open.py',
    '../_base_/schedules/fashion_mnist_30e.py',
    '../_base_/default_runtime.py',
]

# Mixup's train_cfg would make one-hot labels, which do not exist for unknown classes.
model = dict(backbone=dict(in_channels=1), head=dict(num_classes=8), train_cfg=None)
