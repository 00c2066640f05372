# LADE on ImageNet-LT (1280 .. 5 images per class), ResNeXt-50.
#   python tools/train.py configs/baselines/lade/imagenet_lt_x50_lade.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/lade/imagenet_lt_x50_lade.py 8
# The authors' values, as in the README of their code.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/imagenet_lt_x50_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss', alpha=0.05, lam=0.5)))
optim_wrapper = dict(optimizer=dict(lr=0.05))
