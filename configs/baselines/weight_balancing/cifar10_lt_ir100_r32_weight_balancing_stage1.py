# Weight balancing, stage 1, on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/weight_balancing/cifar10_lt_ir100_r32_weight_balancing_stage1.py
# Rate, weight decay and epochs of the authors' code for CIFAR-100-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

# The large weight decay is the method: it keeps the norms of classes alike.
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=5e-3))
param_scheduler = dict(
    _delete_=True, type='CosineAnnealingLR', eta_min=0, by_epoch=True, T_max=200
)
