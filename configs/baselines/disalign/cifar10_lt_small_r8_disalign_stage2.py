# DisAlign after cross entropy on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
# Loads the checkpoint of configs/baselines/ce/cifar10_lt_small_r8_ce.py automatically.
#   python tools/train.py configs/baselines/disalign/cifar10_lt_small_r8_disalign_stage2.py
# The authors' form and weights for ImageNet-LT, on our schedule of stage 2.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/cifar10_lt_small_r8_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='DisAlignClsHead', loss=dict(type='SoftmaxFocalLoss', gamma=0.0)),
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
default_hooks = dict(
    class_weight=dict(type='ClassWeightHook', rule='power', power=1.2),
    load_stage1=dict(stage1='../ce/cifar10_lt_small_r8_ce.py'),
)
