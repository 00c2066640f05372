# Stage 1 on CIFAR-LT in the authors' code: the warm-up starts at a third of the
# learning rate and grows by epochs.
_base_ = './cifar_200e.py'

param_scheduler = [
    # warm up by epochs
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=True, begin=0, end=5),
    # decay by epochs
    dict(type='MultiStepLR', by_epoch=True, milestones=[160, 180], gamma=0.1),
]
