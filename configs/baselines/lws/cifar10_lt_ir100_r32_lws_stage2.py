# LWS after cross entropy on CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/ce/cifar10_lt_ir100_r32_ce.py automatically.
#   python tools/train.py configs/baselines/lws/cifar10_lt_ir100_r32_lws_stage2.py
# The schedule is that of our cRT; the authors have none for this data set.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar10_lt_ir100_r32_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='LWSClsHead'),
)
default_hooks = dict(load_stage1=dict(stage1='../ce/cifar10_lt_ir100_r32_ce.py'))
