# LADE on iNaturalist 2018 (1000 .. 2 images per class), ResNet-50.
#   python tools/train.py configs/baselines/lade/inat2018_r50_lade.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/lade/inat2018_r50_lade.py 8
# The authors' alpha and lam, as in the README of their code.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/inat2018_r50_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss', alpha=0.05, lam=0.5)))
