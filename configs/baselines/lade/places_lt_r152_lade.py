# LADE on Places-LT (4980 .. 5 images per class), ResNet-152.
#   python tools/train.py configs/baselines/lade/places_lt_r152_lade.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/lade/places_lt_r152_lade.py 8
# The authors' alpha and lam, as in the README of their code.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/places_lt_r152_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss', alpha=0.005, lam=0.1)))
