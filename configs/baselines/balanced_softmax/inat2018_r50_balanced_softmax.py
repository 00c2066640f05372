# Balanced Softmax on iNaturalist 2018 (1000 .. 2 images per class), ResNet-50.
#   python tools/train.py configs/baselines/balanced_softmax/inat2018_r50_balanced_softmax.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/balanced_softmax/inat2018_r50_balanced_softmax.py 8
# The paper's Table 3 has 70.6 % top-1.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/inat2018_r50_ce.py'

model = dict(head=dict(loss=dict(type='BalancedSoftmaxLoss')))
