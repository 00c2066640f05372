# CIFAR-10-LT at 16x16 pixels, for a machine without a GPU: 4500 .. 45 training images per
# class (imbalance 100), and 200 more of each class as a validation split, which no
# training image is in.
_base_ = './cifar10_lt_small.py'

train_pipeline = [
    dict(type='Resize', scale=(16, 16), interpolation='area'),
    dict(type='RandomCrop', crop_size=16, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    dataset=dict(max_per_class=4500, dataset=dict(pipeline=train_pipeline))
)
val_dataloader = dict(dataset=dict(max_per_class=4500))
test_dataloader = dict(dataset=dict(reference=dict(max_per_class=4500)))
