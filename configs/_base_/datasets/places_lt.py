# Places-LT of OLTR (CVPR 2019): 365 classes with 4980 .. 5 training images.
# Put OLTR's lists Places_LT_{train,val,test}.txt in data/places_lt, and there the
# images of Places365-Standard (256x256) under the paths that the lists name.
data_preprocessor = dict(
    num_classes=365,
    # RGB format normalization parameters
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    # convert image from BGR to RGB
    to_rgb=True,
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_set = dict(
    type='LongTailed',
    # long-tailed by nature: every image is kept
    imbalance_ratio=None,
    dataset=dict(
        type='CustomDataset',
        data_root='data/places_lt',
        ann_file='Places_LT_train.txt',
        pipeline=train_pipeline,
    ),
)

train_dataloader = dict(
    # of each of eight GPUs
    batch_size=16,
    num_workers=4,
    # Only fresh workers, seeded for their epoch, make a resumed run equal to an
    # undisturbed one (MMEngine gives workers the same seed in each epoch).
    persistent_workers=False,
    worker_init_fn=dict(type='epoch_worker_init_fn'),
    dataset=train_set,
    sampler=dict(type='DefaultSampler', shuffle=True),
)

val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    dataset=dict(
        type='LongTailed',
        dataset=dict(
            type='CustomDataset',
            data_root='data/places_lt',
            ann_file='Places_LT_val.txt',
            pipeline=test_pipeline,
            test_mode=True,
        ),
        reference=train_set,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='ShotAccuracy')

test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    dataset=dict(
        type='LongTailed',
        dataset=dict(
            type='CustomDataset',
            data_root='data/places_lt',
            ann_file='Places_LT_test.txt',
            pipeline=test_pipeline,
            test_mode=True,
        ),
        reference=train_set,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_evaluator = dict(type='ShotAccuracy', per_class=True)
