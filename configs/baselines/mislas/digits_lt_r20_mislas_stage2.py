# MiSLAS on Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of configs/baselines/mixup/digits_lt_r20_mixup.py automatically.
#   python tools/train.py configs/baselines/mislas/digits_lt_r20_mislas_stage2.py
# Smoothing and factor on the classifier's rate are the authors' for CIFAR-10-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/digits_lt_r20_stage2.py'

model = dict(
    head=dict(
        type='LWSClsHead',
        loss=dict(type='LabelAwareSmoothLoss', smooth_head=0.3, smooth_tail=0.0),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head.fc': dict(lr_mult=0.5)}))
default_hooks = dict(load_stage1=dict(stage1='../mixup/digits_lt_r20_mixup.py'))
