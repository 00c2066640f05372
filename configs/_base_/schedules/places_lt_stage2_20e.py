# Stage 2 on Places-LT: 20 epochs for the classifier at a total batch size of 128.
_base_ = './stage2_30e.py'

optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
param_scheduler = dict(T_max=20)
train_cfg = dict(max_epochs=20)
auto_scale_lr = dict(base_batch_size=128)
