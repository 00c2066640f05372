# sgd.py with a rate that falls to zero. A schedule adds T_max, its number of epochs.
_base_ = './sgd.py'

param_scheduler = dict(
    type='CosineAnnealingLR',
    eta_min=0,
    by_epoch=True,
    convert_to_iter_based=True,
)
