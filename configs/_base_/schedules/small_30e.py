# Stage 1 on the small data sets: 30 epochs, enough to fit their training images.
_base_ = './cifar_200e.py'

optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))

param_scheduler = [
    # a shorter warm-up
    dict(_base_.param_scheduler[0], end=2),
    # decay by iterations
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        by_epoch=True,
        begin=2,
        end=30,
        convert_to_iter_based=True,
    ),
]

# one validation at the end, for the choice of settings
train_cfg = dict(max_epochs=30, val_interval=30)
