# Cross entropy on CIFAR-10-LT (imbalance 50), ResNet-32.
#   python tools/train.py configs/baselines/ce/cifar10_lt_ir50_r32_ce.py
# The paper's Table 1 has 74.81 % top-1.
# Checked: builds and steps; not run at full length.
_base_ = './cifar10_lt_ir100_r32_ce.py'

train_dataloader = dict(dataset=dict(imbalance_ratio=50))
val_dataloader = dict(dataset=dict(imbalance_ratio=50))
test_dataloader = dict(dataset=dict(imbalance_ratio=50))
