# Handwritten digits of scikit-learn, 8x8 pixels enlarged to 16x16, no download.
# Training images per class: 124 .. 2 (imbalance 50); test: 50 of each class.
# The images are in memory: starting workers would take longer than loading.
_base_ = './loaders.py'

data_preprocessor = dict(
    num_classes=10,
    # mean and deviation of the training images; the three channels are equal
    mean=[78.08, 78.08, 78.08],
    std=[95.48, 95.48, 95.48],
    to_rgb=False,
)

train_pipeline = [
    dict(type='Resize', scale=(16, 16)),
    # no flip: a mirrored digit is another character
    dict(type='RandomCrop', crop_size=16, padding=2),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='Resize', scale=(16, 16)), dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        type='DigitsLT', split='train', imbalance_ratio=50, pipeline=train_pipeline
    ),
)

# The curves are those of the test split: the last epoch counts, none is selected.
# Choose settings on split='val', the images that the long tail leaves out.
val_dataloader = dict(
    batch_size=32,
    dataset=dict(
        train_dataloader['dataset'],
        split='test',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
