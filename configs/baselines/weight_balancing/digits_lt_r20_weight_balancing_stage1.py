# Weight balancing, stage 1, on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/weight_balancing/digits_lt_r20_weight_balancing_stage1.py
# Rate and weight decay of the authors' code for CIFAR-100-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

# The large weight decay is the method: it keeps the norms of classes alike.
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=5e-3))
