# Fashion-MNIST for a laptop: 14x14 pixels, 1000 .. 10 training images per class
# (imbalance 100), and 200 more of each class as a validation split, which no training
# image is in. The files are those of fashion_mnist_lt.py.
_base_ = './fashion_mnist_lt.py'

train_pipeline = [
    dict(type='Resize', scale=(14, 14), interpolation='area'),
    # no crop, with which the short schedule does not fit so few images
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
# the same resizing, and no flip
test_pipeline = [train_pipeline[0], train_pipeline[-1]]

train_set = dict(
    max_per_class=1000,
    held_out=200,
    dataset=dict(pipeline=train_pipeline),
)

# The images are in memory: starting workers would take longer than loading.
train_dataloader = dict(num_workers=0, dataset=train_set)

val_dataloader = dict(
    num_workers=0,
    dataset=dict(
        _base_.train_set,
        _delete_=True,
        max_per_class=1000,
        held_out=200,
        part='held_out',
        # no test_mode: with it, MMPretrain reads the test images
        dataset=dict(_base_.train_set.dataset, pipeline=test_pipeline),
    ),
)

test_dataloader = dict(
    num_workers=0,
    dataset=dict(dataset=dict(pipeline=test_pipeline), reference=train_set),
)
