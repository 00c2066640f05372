# MiSLAS on CIFAR-100-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/mixup/cifar100_lt_ir100_r32_mixup.py automatically.
#   python tools/train.py configs/baselines/mislas/cifar100_lt_ir100_r32_mislas_stage2.py
# Smoothing, factor on the classifier's rate and epochs are the authors'.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar100_lt_ir100_r32_stage2.py'

model = dict(
    moving_statistics=True,
    head=dict(
        type='LWSClsHead',
        loss=dict(type='LabelAwareSmoothLoss', smooth_head=0.4, smooth_tail=0.1),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head.fc': dict(lr_mult=0.2)}))
param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10)
default_hooks = dict(load_stage1=dict(stage1='../mixup/cifar100_lt_ir100_r32_mixup.py'))
