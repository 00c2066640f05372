# Cross entropy on the eight known digits of an open set (124 .. 2 images), ResNet-20.
#   python tools/train.py configs/open_set/digits_lt_known_r20_ce.py
# Tested on known classes here, with unknown ones by configs/open_set/digits_lt_r20.py.
# Checked: run (docs/open_set.md).
_base_ = [
    '../_base_/models/resnet20_small.py',
    '../_base_/datasets/digits_lt_known.py',
    '../_base_/schedules/cifar_200e.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=8))

# The schedule's lr at this data set's batch size.
auto_scale_lr = dict(base_batch_size=32)
