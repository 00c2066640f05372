# Stage 1 on CIFAR-LT for SWAHook: the schedule of SWA's authors for `begin_epoch=161`. The
# rate falls linearly from half of that epoch to nine tenths, and stays: at a tenth of the
# first one (their value for CIFAR-10), or at half (CIFAR-100: end_factor=0.5).
_base_ = './cifar_200e.py'

param_scheduler = [
    # the warm-up of the other methods
    _base_.param_scheduler[0],
    # decay by epochs
    dict(
        type='LinearLR',
        start_factor=1.0,
        end_factor=0.1,
        by_epoch=True,
        begin=80,
        end=145,
    ),
]
