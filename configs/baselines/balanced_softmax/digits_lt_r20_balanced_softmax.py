# Balanced Softmax on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/balanced_softmax/digits_lt_r20_balanced_softmax.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

model = dict(head=dict(loss=dict(type='BalancedSoftmaxLoss')))
