# LOS on CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/weight_balancing/cifar10_lt_ir100_r32_weight_balancing_stage1.py automatically.
#   python tools/train.py configs/baselines/los/cifar10_lt_ir100_r32_los_stage2.py
# Smoothing, rate and first stage (that of weight balancing) of the authors' code.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar10_lt_ir100_r32_stage2.py'

model = dict(
    head=dict(
        type='LinearClsHead',
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.98, mode='original'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.0))
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
param_scheduler = dict(T_max=20)
train_cfg = dict(max_epochs=20)
default_hooks = dict(
    load_stage1=dict(
        stage1='../weight_balancing/cifar10_lt_ir100_r32_weight_balancing_stage1.py'
    )
)
