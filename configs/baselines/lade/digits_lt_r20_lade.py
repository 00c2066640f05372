# LADE on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/lade/digits_lt_r20_lade.py
# The authors' alpha and lam for CIFAR-100-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss')))
