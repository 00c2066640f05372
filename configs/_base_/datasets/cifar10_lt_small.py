# CIFAR-10 for a laptop: 16x16 pixels, 1000 .. 10 training images per class (imbalance
# 100), and 200 more of each class as a validation split, which no training image is in.
# The files are those of cifar10_lt.py.
_base_ = './cifar10_lt.py'

train_pipeline = [
    dict(type='Resize', scale=(16, 16), interpolation='area'),
    # no crop, with which the short schedule does not fit so few images
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
# the same resizing, and no flip
test_pipeline = [train_pipeline[0], train_pipeline[-1]]

train_set = dict(
    type='LongTailed',
    imbalance_ratio=100,
    max_per_class=1000,
    held_out=200,
    dataset=dict(
        _base_.train_dataloader.dataset, imbalance_ratio=1, pipeline=train_pipeline
    ),
)

# The images are in memory: starting workers would take longer than loading.
train_dataloader = dict(num_workers=0, dataset=dict(train_set, _delete_=True))

val_dataloader = dict(
    num_workers=0,
    dataset=dict(
        train_set,
        _delete_=True,
        part='held_out',
        dataset=dict(train_set['dataset'], pipeline=test_pipeline, test_mode=True),
    ),
)

test_dataloader = dict(
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='LongTailed',
        dataset=dict(val_dataloader['dataset']['dataset'], split='test'),
        reference=train_set,
    ),
)
