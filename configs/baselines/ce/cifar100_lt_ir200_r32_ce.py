# Cross entropy on CIFAR-100-LT (imbalance 200), ResNet-32.
#   python tools/train.py configs/baselines/ce/cifar100_lt_ir200_r32_ce.py
# The paper's Table 1 has 34.84 % top-1.
# Checked: builds and steps; not run at full length.
_base_ = './cifar100_lt_ir100_r32_ce.py'

train_dataloader = dict(dataset=dict(imbalance_ratio=200))
val_dataloader = dict(dataset=dict(imbalance_ratio=200))
test_dataloader = dict(dataset=dict(imbalance_ratio=200))
