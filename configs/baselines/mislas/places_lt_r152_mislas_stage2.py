# MiSLAS on Places-LT (4980 .. 5 images per class), ResNet-152.
# Loads the checkpoint of configs/baselines/mixup/places_lt_r152_mixup.py automatically.
#   python tools/train.py configs/baselines/mislas/places_lt_r152_mislas_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/mislas/places_lt_r152_mislas_stage2.py 8
# Smoothing, factor on the classifier's rate and epochs are the authors'.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/places_lt_r152_stage2.py'

model = dict(
    moving_statistics=True,
    head=dict(
        type='LWSClsHead',
        loss=dict(type='LabelAwareSmoothLoss', smooth_head=0.4, smooth_tail=0.1),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head.fc': dict(lr_mult=0.05)}))
param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10)
default_hooks = dict(load_stage1=dict(stage1='../mixup/places_lt_r152_mixup.py'))
