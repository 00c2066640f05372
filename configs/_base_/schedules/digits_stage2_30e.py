# Stage 2 on Digits-LT: the common schedule at this data set's batch size.
_base_ = './stage2_30e.py'

auto_scale_lr = dict(base_batch_size=32)
