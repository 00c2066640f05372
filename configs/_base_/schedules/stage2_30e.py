# Stage 2: 30 epochs for the classifier at a total batch size of 64.
# optimizer
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=2e-4),
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

# NOTE: `auto_scale_lr` is for automatically scaling LR
# based on the actual training batch size.
auto_scale_lr = dict(base_batch_size=64)
