# CC-SAM, stage 2, on CIFAR-10-LT at 16x16 (4500 .. 45 images per class), ResNet-32.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/cifar10_lt_16px_r32_stage2.py
# Checked: run with half of the schedule (docs/results.md).
_base_ = [
    '../_base_/settings/cifar10_lt_16px_r32.py',
    '../_base_/schedules/stage2_30e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(type='DecoupledClassifier', head=dict(type='AdversarialFeatureHead'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
