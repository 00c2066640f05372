# CC-SAM, stage 2, on Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/digits_lt_r20_stage2.py
# Checked: run (README).
_base_ = [
    '../_base_/settings/digits_lt_r20.py',
    '../_base_/schedules/digits_stage2_30e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(type='DecoupledClassifier', head=dict(type='AdversarialFeatureHead'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
