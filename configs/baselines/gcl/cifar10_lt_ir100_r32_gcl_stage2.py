# GCL, stage 2, on CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/gcl/cifar10_lt_ir100_r32_gcl.py automatically.
#   python tools/train.py configs/baselines/gcl/cifar10_lt_ir100_r32_gcl_stage2.py
# Loss, sampler, rate and Mixup of the authors' code for CIFAR.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar10_lt_ir100_r32_stage2.py'

model = dict(
    head=dict(
        type='CosineLinearClsHead',
        loss=dict(type='GCLLoss', margin=0.1, scale=20.0, focal_gamma=1.0),
    ),
    train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassWeightedSampler'))
default_hooks = dict(load_stage1=dict(stage1='cifar10_lt_ir100_r32_gcl.py'))
