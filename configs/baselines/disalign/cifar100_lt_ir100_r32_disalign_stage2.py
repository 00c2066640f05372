# DisAlign after cross entropy on CIFAR-100-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/ce/cifar100_lt_ir100_r32_ce.py automatically.
#   python tools/train.py configs/baselines/disalign/cifar100_lt_ir100_r32_disalign_stage2.py
# The authors' form and weights for ImageNet-LT, on our schedule of stage 2.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar100_lt_ir100_r32_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='DisAlignClsHead', loss=dict(type='SoftmaxFocalLoss', gamma=0.0)),
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
default_hooks = dict(
    class_weight=dict(type='ClassWeightHook', rule='power', power=1.2),
    load_stage1=dict(stage1='../ce/cifar100_lt_ir100_r32_ce.py'),
)
