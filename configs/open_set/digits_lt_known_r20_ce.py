# Cross entropy on the eight known digits of an open set (124 .. 2 images), ResNet-20.
#   python tools/train.py configs/open_set/digits_lt_known_r20_ce.py
# Tested on known classes here, with unknown ones by configs/open_set/digits_lt_r20.py.
# Checked: run (docs/open_set.md).
_base_ = [
    '../_base_/settings/digits_lt_known_r20.py',
    '../_base_/schedules/digits_200e.py',
    '../_base_/default_runtime.py',
]
