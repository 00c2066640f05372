# CC-SAM, stage 1, on CIFAR-100-LT (imbalance 50), ResNet-32.
#   python tools/train.py configs/ccsam/cifar100_lt_ir50_r32_stage1.py
# The paper's Table 1 has 53.91 % top-1 after stage 2.
# Checked: builds and steps; not run at full length.
_base_ = './cifar100_lt_ir100_r32_stage1.py'

train_dataloader = dict(dataset=dict(imbalance_ratio=50))
val_dataloader = dict(dataset=dict(imbalance_ratio=50))
test_dataloader = dict(dataset=dict(imbalance_ratio=50))
