# CC-SAM's released code, stage 2, on CIFAR-100-LT (imbalance 100), 30-layer ResNet-32.
#   python tools/train.py configs/ccsam/cifar100_lt_ir100_r32_stage2_released.py
# The paper's Table 1 has 50.83 % top-1 (theirs: best test epoch, CIFAR-10's mean).
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/models/resnet32_released_stage2.py',
    '../_base_/datasets/cifar100_lt.py',
    '../_base_/schedules/stage2_30e_released.py',
    '../_base_/stage2_runtime.py',
]

model = dict(head=dict(num_classes=100, max_adv_weight=0.3))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
