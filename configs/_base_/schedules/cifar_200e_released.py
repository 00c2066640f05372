# Stage 1 on CIFAR-LT in the authors' code: the warm-up grows by epochs from a third of
# the learning rate. Their scheduler steps before each epoch, so that the first epoch
# has the second value, and milestones come an epoch early.
_base_ = './cifar_200e.py'

param_scheduler = [
    # warm up by epochs: 7/15, 9/15, 11/15, 13/15, 1
    dict(type='LinearLR', start_factor=7 / 15, by_epoch=True, begin=0, end=5),
    # decay by epochs
    dict(type='MultiStepLR', by_epoch=True, milestones=[159, 179], gamma=0.1),
]
