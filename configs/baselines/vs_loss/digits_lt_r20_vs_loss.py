# VS loss on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/vs_loss/digits_lt_r20_vs_loss.py
# The defaults of the authors' code; their example for CIFAR-10-LT has gamma=0.2, tau=1.2.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

model = dict(head=dict(loss=dict(type='VSLoss')))
