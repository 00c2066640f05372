# LOS on Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of configs/baselines/weight_balancing/digits_lt_r20_weight_balancing_stage1.py automatically.
#   python tools/train.py configs/baselines/los/digits_lt_r20_los_stage2.py
# Smoothing, rate and first stage (that of weight balancing) of the authors' code.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/digits_lt_r20_stage2.py'

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
default_hooks = dict(
    load_stage1=dict(
        stage1='../weight_balancing/digits_lt_r20_weight_balancing_stage1.py'
    )
)
