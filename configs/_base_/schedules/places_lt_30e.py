# Stage 1 on Places-LT: 30 epochs at a total batch size of 128, from a pretrained trunk.
# optimizer
optim_wrapper = dict(
    type='OptimWrapper',
    # Not in the paper but ours: the weight decay and the decay of the learning rate.
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
    # 1e-3 for the pretrained trunk
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.01)}),
)

# learning policy
param_scheduler = dict(
    type='CosineAnnealingLR',
    eta_min=0,
    by_epoch=True,
    T_max=30,
    convert_to_iter_based=True,
)

# train, val, test setting; the validation draws curves, it selects nothing
train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=5)
val_cfg = dict()
test_cfg = dict()

# The learning rate is meant for this total, which eight GPUs have. On any other number,
# `--auto-scale-lr` adapts it: 1 GPU trains with an eighth.
auto_scale_lr = dict(base_batch_size=128)
