# CC-SAM, stage 2, on small CIFAR-10-LT (16x16, 1000 .. 10 images per class), ResNet-8.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/cifar10_lt_small_r8_stage2.py
# Checked: run (docs/results.md).
_base_ = [
    '../_base_/settings/cifar10_lt_small_r8.py',
    '../_base_/schedules/small_stage2_8e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(type='DecoupledClassifier', head=dict(type='AdversarialFeatureHead'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
