# CC-SAM, stage 2, on CIFAR-10-LT (imbalance 100), ResNet-32.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/cifar10_lt_ir100_r32_stage2.py
# The paper's Table 1 has 83.92 % top-1 after stage 2.
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/settings/cifar10_lt_r32.py',
    '../_base_/schedules/stage2_30e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(type='DecoupledClassifier', head=dict(type='AdversarialFeatureHead'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
