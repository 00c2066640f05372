# Fashion-MNIST, grey 28x28 images (one channel), of which the training split keeps
# 6000 .. 60 per class (imbalance 100). MMPretrain downloads it; on Debian and Ubuntu:
#   apt-get install dataset-fashion-mnist && mkdir -p data/fashion_mnist
#   cp /usr/share/datasets/fashion-mnist/*.gz data/fashion_mnist
#   gunzip data/fashion_mnist/*.gz
# (unpacked, because MMPretrain knows the md5 sums of the original archives only).
# For another imbalance, set imbalance_ratio of the training set and of `reference`.
_base_ = './worker_loaders.py'

data_preprocessor = dict(
    num_classes=10,
    mean=[72.94],
    std=[90.02],
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=28, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

train_set = dict(
    type='LongTailed',
    imbalance_ratio=100,
    dataset=dict(
        type='FashionMNIST',
        data_root='data/fashion_mnist',
        split='train',
        pipeline=train_pipeline,
    ),
)
train_dataloader = dict(dataset=train_set)

# There is no validation split: the last epoch counts, none is selected. To choose
# settings, let `held_out` of LongTailed put a part of the training images aside.
val_dataloader = dict(
    dataset=dict(
        type='LongTailed',
        dataset=dict(
            train_set['dataset'],
            split='test',
            pipeline=test_pipeline,
            test_mode=True,
        ),
        reference=train_set,
    ),
)
test_dataloader = val_dataloader
