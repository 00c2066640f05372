# Stage 1 on ImageNet-LT: 180 epochs at a total batch size of 256, from nothing.
# Momentum and batch size are the paper's; the rest is ours (MiSLAS trains alike).
_base_ = './sgd_cosine.py'

optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
param_scheduler = dict(T_max=180)
train_cfg = dict(max_epochs=180)

# The learning rate is meant for this total, which eight GPUs have. On any other number,
# `--auto-scale-lr` adapts it: 1 GPU trains with 0.1 / 8.
auto_scale_lr = dict(base_batch_size=256)
