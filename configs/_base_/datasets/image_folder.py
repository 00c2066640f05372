# Your own images, one folder per class: data/images/{train,val}/<class name>/*.jpg
# Override data_root of the three data sets, and num_classes here and in the head.
data_preprocessor = dict(
    num_classes=1000,
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
    batch_size=32,
    num_workers=4,
    # Only fresh workers, seeded for their epoch, make a resumed run equal to an
    # uninterrupted one (MMEngine gives workers the same seed in each epoch).
    persistent_workers=False,
    worker_init_fn=dict(type='epoch_worker_init_fn'),
    dataset=dict(
        type='CustomDataset', data_root='data/images/train', pipeline=train_pipeline
    ),
    sampler=dict(type='DefaultSampler', shuffle=True),
)

val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    dataset=dict(
        type='CustomDataset',
        data_root='data/images/val',
        pipeline=test_pipeline,
        test_mode=True,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
# ClassCountsHook (in the default runtime) counts the training images for it.
val_evaluator = dict(type='ShotAccuracy')

# The last epoch counts, none is selected: testing on the validation images is fair.
test_dataloader = val_dataloader
test_evaluator = dict(type='ShotAccuracy', per_class=True)
