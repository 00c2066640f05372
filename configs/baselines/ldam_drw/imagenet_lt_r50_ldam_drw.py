# LDAM-DRW on ImageNet-LT (1280 .. 5 images per class), ResNet-50.
#   python tools/train.py configs/baselines/ldam_drw/imagenet_lt_r50_ldam_drw.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/ldam_drw/imagenet_lt_r50_ldam_drw.py 8
# Margin and schedule of Saddle (Rangwani et al., NeurIPS 2022).
# Checked: builds and steps; not run at full length.
_base_ = '../ce/imagenet_lt_r50_ce.py'

model = dict(
    head=dict(type='CosineLinearClsHead', loss=dict(type='LDAMLoss', max_margin=0.3))
)
default_hooks = dict(class_weight=dict(type='ClassWeightHook', begin=60))
optim_wrapper = dict(optimizer=dict(lr=0.2, weight_decay=2e-4))
param_scheduler = dict(T_max=90)
train_cfg = dict(max_epochs=90)
