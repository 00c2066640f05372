# LDAM-DRW on iNaturalist 2018 (1000 .. 2 images per class), ResNet-50.
#   python tools/train.py configs/baselines/ldam_drw/inat2018_r50_ldam_drw.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/ldam_drw/inat2018_r50_ldam_drw.py 8
# Margin and epochs of Saddle (Rangwani et al., NeurIPS 2022).
# Checked: builds and steps; not run at full length.
_base_ = '../ce/inat2018_r50_ce.py'

model = dict(
    head=dict(type='CosineLinearClsHead', loss=dict(type='LDAMLoss', max_margin=0.3))
)
default_hooks = dict(class_weight=dict(type='ClassWeightHook', begin=60))
param_scheduler = dict(T_max=90)
train_cfg = dict(max_epochs=90)
