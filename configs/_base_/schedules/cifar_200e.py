# Stage 1 on CIFAR-LT and Digits-LT: 200 epochs, for a total batch size of 64 (CIFAR).
# optimizer
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=2e-4),
)

# learning policy
param_scheduler = [
    # warm up by iterations
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True,
    ),
    # decay by epochs
    dict(type='MultiStepLR', by_epoch=True, milestones=[160, 180], gamma=0.1),
]

# train, val, test setting; the validation draws curves, it selects nothing
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=5)
val_cfg = dict()
test_cfg = dict()

# NOTE: `auto_scale_lr` is for automatically scaling LR
# based on the actual training batch size.
auto_scale_lr = dict(base_batch_size=64)
