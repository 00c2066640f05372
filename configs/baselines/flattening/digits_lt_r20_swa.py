# Stochastic weight averaging (SWA) on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/flattening/digits_lt_r20_swa.py
# Begins where the authors begin, of 225 epochs instead of 200.
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/digits_lt_r20.py',
    '../../_base_/schedules/cifar_200e_swa.py',
    '../../_base_/default_runtime.py',
]

custom_hooks = [dict(type='SWAHook', begin_epoch=161)]

# this data set's batch size
auto_scale_lr = dict(base_batch_size=32)
