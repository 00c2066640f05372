# Stage 1 on CIFAR-LT: 200 epochs, for a total batch size of 64.
_base_ = './sgd.py'

optim_wrapper = dict(optimizer=dict(weight_decay=2e-4))

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

train_cfg = dict(max_epochs=200)

# The batch size that the learning rate is meant for; `--auto-scale-lr` adapts it.
auto_scale_lr = dict(base_batch_size=64)
