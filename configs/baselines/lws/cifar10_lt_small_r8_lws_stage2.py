# LWS after cross entropy on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
# Loads the checkpoint of configs/baselines/ce/cifar10_lt_small_r8_ce.py automatically.
#   python tools/train.py configs/baselines/lws/cifar10_lt_small_r8_lws_stage2.py
# Checked: run (docs/results.md).
_base_ = '../../ccsam/cifar10_lt_small_r8_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='LWSClsHead'),
)
default_hooks = dict(load_stage1=dict(stage1='../ce/cifar10_lt_small_r8_ce.py'))
