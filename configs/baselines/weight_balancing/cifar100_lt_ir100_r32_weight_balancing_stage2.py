# Weight balancing, stage 2, on CIFAR-100-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of configs/baselines/weight_balancing/cifar100_lt_ir100_r32_weight_balancing_stage1.py automatically.
#   python tools/train.py configs/baselines/weight_balancing/cifar100_lt_ir100_r32_weight_balancing_stage2.py
# The authors' rate, weight decay, norm bound and weights, on cross entropy.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/cifar100_lt_ir100_r32_stage2.py'

model = dict(
    head=dict(type='LinearClsHead', loss=dict(type='SoftmaxFocalLoss', gamma=0.0))
)
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=0.1))
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10)
default_hooks = dict(
    class_weight=dict(type='ClassWeightHook'), max_norm=dict(type='MaxNormHook')
)
