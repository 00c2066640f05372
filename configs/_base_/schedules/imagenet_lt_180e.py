# Stage 1 on ImageNet-LT: 180 epochs at a total batch size of 256, from scratch.
# Momentum and batch size are the paper's; the rest is ours (as in MiSLAS).
# optimizer
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4),
)

# learning policy
param_scheduler = dict(
    type='CosineAnnealingLR',
    eta_min=0,
    by_epoch=True,
    T_max=180,
    convert_to_iter_based=True,
)

# train, val, test setting; the validation draws curves, it selects nothing
train_cfg = dict(by_epoch=True, max_epochs=180, val_interval=5)
val_cfg = dict()
test_cfg = dict()

# The learning rate is meant for this total, which eight GPUs have. On any other number,
# `--auto-scale-lr` adapts it: 1 GPU trains with 0.1 / 8.
auto_scale_lr = dict(base_batch_size=256)
