# MiSLAS on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
# Loads the checkpoint of configs/baselines/mixup/cifar10_lt_small_r8_mixup.py automatically.
#   python tools/train.py configs/baselines/mislas/cifar10_lt_small_r8_mislas_stage2.py
# Smoothing and factor on the classifier's rate are the authors' for CIFAR-10-LT.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/cifar10_lt_small_r8_stage2.py'

model = dict(
    head=dict(
        type='LWSClsHead',
        loss=dict(type='LabelAwareSmoothLoss', smooth_head=0.3, smooth_tail=0.0),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head.fc': dict(lr_mult=0.5)}))
default_hooks = dict(load_stage1=dict(stage1='../mixup/cifar10_lt_small_r8_mixup.py'))
