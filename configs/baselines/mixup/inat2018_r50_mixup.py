# Mixup (Zhang et al., ICLR 2018) on iNaturalist 2018 (1000 .. 2 images per class), ResNet-50.
#   python tools/train.py configs/baselines/mixup/inat2018_r50_mixup.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/mixup/inat2018_r50_mixup.py 8
# The first stage of MiSLAS, with its alpha.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/inat2018_r50_ce.py'

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=0.2)))
