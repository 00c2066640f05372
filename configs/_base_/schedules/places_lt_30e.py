# Stage 1 on Places-LT: 30 epochs at a total batch size of 128, from a pretrained trunk.
_base_ = './sgd_cosine.py'

optim_wrapper = dict(
    # Not in the paper, ours: the weight decay and the decay of the learning rate.
    optimizer=dict(weight_decay=5e-4),
    # 1e-3 for the pretrained trunk
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.01)}),
)
param_scheduler = dict(T_max=30)
train_cfg = dict(max_epochs=30)

# The learning rate is meant for this total, which eight GPUs have. On any other number,
# `--auto-scale-lr` adapts it: 1 GPU trains with an eighth.
auto_scale_lr = dict(base_batch_size=128)
