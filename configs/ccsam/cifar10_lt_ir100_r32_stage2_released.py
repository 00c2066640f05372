# CC-SAM's released code, stage 2, on CIFAR-10-LT (imbalance 100), 30-layer ResNet-32.
#   python tools/train.py configs/ccsam/cifar10_lt_ir100_r32_stage2_released.py
# The paper's Table 1 has 83.92 % top-1 (theirs: best test epoch; here: the last).
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/models/resnet32_released_stage2.py',
    '../_base_/datasets/cifar10_lt.py',
    '../_base_/schedules/stage2_30e_released.py',
    '../_base_/stage2_runtime.py',
]

model = dict(head=dict(max_adv_weight=1.0))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
