# GCL, stage 2, on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
# Loads the checkpoint of configs/baselines/gcl/cifar10_lt_small_r8_gcl.py automatically.
#   python tools/train.py configs/baselines/gcl/cifar10_lt_small_r8_gcl_stage2.py
# Loss, sampler, rate and Mixup of the authors' code for CIFAR.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/cifar10_lt_small_r8_stage2.py'

model = dict(
    head=dict(
        type='CosineLinearClsHead',
        loss=dict(type='GCLLoss', margin=0.1, scale=20.0, focal_gamma=1.0),
    ),
    train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassWeightedSampler'))
default_hooks = dict(load_stage1=dict(stage1='cifar10_lt_small_r8_gcl.py'))
