# Mixup (Zhang et al., ICLR 2018) on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/mixup/digits_lt_r20_mixup.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))
