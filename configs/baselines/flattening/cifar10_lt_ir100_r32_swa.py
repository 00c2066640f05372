# Stochastic weight averaging (SWA) on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/flattening/cifar10_lt_ir100_r32_swa.py
# Begins where the authors begin, of 225 epochs instead of 200.
# Checked: builds and steps; not run at full length.
_base_ = [
    '../../_base_/settings/cifar10_lt_r32.py',
    '../../_base_/schedules/cifar_200e_swa.py',
    '../../_base_/default_runtime.py',
]

custom_hooks = [dict(type='SWAHook', begin_epoch=161)]
