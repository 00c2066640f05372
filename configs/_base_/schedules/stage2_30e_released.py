# Stage 2 on CIFAR-LT in the authors' code: 30 epochs at a constant learning rate.
_base_ = './stage2_30e.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = None
