# Stage 2 on the small data sets: 8 epochs for the classifier.
_base_ = './stage2_30e.py'

optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
param_scheduler = dict(T_max=8)
train_cfg = dict(max_epochs=8, val_interval=8)
