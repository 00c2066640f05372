# Focal loss on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/focal/digits_lt_r20_focal.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

model = dict(head=dict(loss=dict(type='SoftmaxFocalLoss')))
