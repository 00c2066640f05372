# Stage 1 on Fashion-MNIST-LT: the CIFAR schedule in 30 epochs.
_base_ = './cifar_200e.py'

param_scheduler = [
    # warm up by iterations
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=1,
        convert_to_iter_based=True,
    ),
    # decay by epochs
    dict(type='MultiStepLR', by_epoch=True, milestones=[24, 27], gamma=0.1),
]

train_cfg = dict(max_epochs=30)
