# Places-LT of OLTR (CVPR 2019): 365 classes with 4980 .. 5 training images.
# tools/dataset_converters/places_lt.py fills data/places_lt: OLTR's lists
# Places_LT_{train,val,test}.txt and the images of Places365-Standard (256x256).
data_preprocessor = dict(
    num_classes=365,
    # RGB format normalization parameters
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    # convert image from BGR to RGB
    to_rgb=True,
)

train_pipeline = [
    # At most 100 different unreadable images are skipped, each with a warning.
    dict(type='LoadImageOrSkip', max_unreadable=100),
    dict(type='RandomResizedCrop', scale=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]

test_pipeline = [
    dict(type='LoadImageOrSkip', max_unreadable=0),
    dict(type='ResizeEdge', scale=256, edge='short'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    # of each of eight GPUs
    batch_size=16,
    num_workers=4,
    # Only fresh workers, seeded for their epoch, make a resumed run equal to an
    # uninterrupted one (MMEngine gives workers the same seed in each epoch).
    persistent_workers=False,
    worker_init_fn=dict(type='epoch_worker_init_fn'),
    dataset=dict(
        type='PlacesLT',
        data_root='data/places_lt',
        split='train',
        pipeline=train_pipeline,
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
)

val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    dataset=dict(
        type='PlacesLT',
        data_root='data/places_lt',
        split='val',
        pipeline=test_pipeline,
        test_mode=True,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='ShotAccuracy')

test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    dataset=dict(
        type='PlacesLT',
        data_root='data/places_lt',
        split='test',
        pipeline=test_pipeline,
        test_mode=True,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_evaluator = dict(type='ShotAccuracy', per_class=True)
