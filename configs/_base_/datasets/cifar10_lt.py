# CIFAR-10, of which training keeps 5000 .. 50 images per class (imbalance 100).
# MMPretrain downloads it; or unpack cifar-10-python.tar.gz in data/cifar10 yourself.
# For another imbalance, set imbalance_ratio of the train, val and test data sets.
_base_ = './worker_loaders.py'

data_preprocessor = dict(
    num_classes=10,
    # RGB format normalization parameters
    mean=[125.307, 122.961, 113.8575],
    std=[51.5865, 50.847, 51.255],
    # loaded images are already RGB format
    to_rgb=False,
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

train_dataloader = dict(
    dataset=dict(
        type='CIFAR10LT',
        data_root='data/cifar10',
        split='train',
        imbalance_ratio=100,
        pipeline=train_pipeline,
    ),
)

# There is no validation split: the last epoch counts, none is selected. To choose
# settings, let `held_out` of LongTailed put a part of the training images aside.
val_dataloader = dict(
    dataset=dict(
        train_dataloader['dataset'],
        split='test',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
