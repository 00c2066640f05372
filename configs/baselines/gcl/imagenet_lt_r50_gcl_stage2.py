# GCL, stage 2, on ImageNet-LT (1280 .. 5 images per class), ResNet-50.
# Loads the checkpoint of configs/baselines/gcl/imagenet_lt_r50_gcl.py automatically.
#   python tools/train.py configs/baselines/gcl/imagenet_lt_r50_gcl_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/gcl/imagenet_lt_r50_gcl_stage2.py 8
# Loss, sampler, rate and Mixup of the authors' code for CIFAR.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/imagenet_lt_r50_stage2.py'

model = dict(
    head=dict(
        type='CosineLinearClsHead',
        loss=dict(type='GCLLoss', margin=0.1, scale=20.0, focal_gamma=1.0),
    ),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassWeightedSampler'))
default_hooks = dict(load_stage1=dict(stage1='imagenet_lt_r50_gcl.py'))
