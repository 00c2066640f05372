# Stage 2: 30 epochs for the classifier at a total batch size of 64.
_base_ = './sgd_cosine.py'

optim_wrapper = dict(optimizer=dict(weight_decay=2e-4))
param_scheduler = dict(T_max=30)
train_cfg = dict(max_epochs=30)

# The batch size that the learning rate is meant for; `--auto-scale-lr` adapts it.
auto_scale_lr = dict(base_batch_size=64)
