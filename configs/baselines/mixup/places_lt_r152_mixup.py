# Mixup (Zhang et al., ICLR 2018) on Places-LT (4980 .. 5 images per class), ResNet-152.
#   python tools/train.py configs/baselines/mixup/places_lt_r152_mixup.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/mixup/places_lt_r152_mixup.py 8
# The first stage of MiSLAS, with its alpha.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/places_lt_r152_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
