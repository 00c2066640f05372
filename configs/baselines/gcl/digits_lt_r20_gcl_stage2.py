# GCL, stage 2, on Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of configs/baselines/gcl/digits_lt_r20_gcl.py automatically.
#   python tools/train.py configs/baselines/gcl/digits_lt_r20_gcl_stage2.py
# Loss, sampler, rate and Mixup of the authors' code for CIFAR.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/digits_lt_r20_stage2.py'

model = dict(
    head=dict(
        type='CosineLinearClsHead',
        loss=dict(type='GCLLoss', margin=0.1, scale=20.0, focal_gamma=1.0),
    ),
    train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassWeightedSampler'))
default_hooks = dict(load_stage1=dict(stage1='digits_lt_r20_gcl.py'))
