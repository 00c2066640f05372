# CC-SAM, stage 2, on the eight known digits of an open set (124 .. 2 images), ResNet-20.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/open_set/digits_lt_known_r20_stage2.py
# Tested on known classes here, with unknown ones by configs/open_set/digits_lt_r20.py.
# Checked: run (docs/open_set.md).
_base_ = [
    '../_base_/models/resnet20_small.py',
    '../_base_/datasets/digits_lt_known.py',
    '../_base_/schedules/stage2_30e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(
    type='DecoupledClassifier',
    head=dict(type='AdversarialFeatureHead', num_classes=8),
)

train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))

# The schedule's lr at this data set's batch size.
auto_scale_lr = dict(base_batch_size=32)
