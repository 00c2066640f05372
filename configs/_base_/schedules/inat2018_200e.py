# Stage 1 on iNaturalist 2018: 200 epochs at a total batch size of 512, from scratch.
# Momentum and batch size are the paper's; the rest is ours (as in MiSLAS).
_base_ = './imagenet_lt_180e.py'

# 0.1 per 256 images
optim_wrapper = dict(optimizer=dict(lr=0.2, weight_decay=1e-4))
param_scheduler = dict(T_max=200)
train_cfg = dict(max_epochs=200)
auto_scale_lr = dict(base_batch_size=512)
