# Stage 2 on ImageNet-LT: 30 epochs for the classifier at a total batch size of 256.
# The paper gives the batch size alone; the rest is ours.
_base_ = './stage2_30e.py'

optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=256)
