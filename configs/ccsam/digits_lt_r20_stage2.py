# CC-SAM, stage 2, on Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/digits_lt_r20_stage2.py
# Checked: run (README).
_base_ = [
    '../_base_/models/resnet20_small.py',
    '../_base_/datasets/digits_lt.py',
    '../_base_/schedules/stage2_30e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(
    type='DecoupledClassifier',
    head=dict(type='AdversarialFeatureHead'),
)

train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))

# The schedule's lr at this data set's batch size.
auto_scale_lr = dict(base_batch_size=32)
