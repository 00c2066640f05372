# DisAlign after cross entropy on ImageNet-LT (1280 .. 5 images per class), ResNeXt-50.
# Loads the checkpoint of configs/baselines/ce/imagenet_lt_x50_ce.py automatically.
#   python tools/train.py configs/baselines/disalign/imagenet_lt_x50_disalign_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/disalign/imagenet_lt_x50_disalign_stage2.py 8
# The authors' form, weights, rate, epochs and weight decay.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/imagenet_lt_x50_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='DisAlignClsHead', loss=dict(type='SoftmaxFocalLoss', gamma=0.0)),
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10)
default_hooks = dict(
    class_weight=dict(type='ClassWeightHook', rule='power', power=1.2),
    load_stage1=dict(stage1='../ce/imagenet_lt_x50_ce.py'),
)
