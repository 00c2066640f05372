# Stage 1 on Digits-LT: the CIFAR schedule at this data set's batch size.
_base_ = './cifar_200e.py'

auto_scale_lr = dict(base_batch_size=32)
