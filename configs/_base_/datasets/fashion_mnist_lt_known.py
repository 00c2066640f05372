# Fashion-MNIST-LT without the classes Dress and Bag, which fashion_mnist_lt_open.py
# shows as unknown ones. Training keeps 5900 .. 59 images of the others (imbalance 100),
# and 100 more of each are a validation split, which no training image is in.
_base_ = './fashion_mnist_lt.py'

data_preprocessor = dict(num_classes=8)

known = dict(
    type='ClassSubset',
    classes=[
        'T-shirt/top',
        'Trouser',
        'Pullover',
        'Coat',
        'Sandal',
        'Shirt',
        'Sneaker',
        'Ankle boot',
    ],
)

# no test_mode: with it, MMPretrain reads the test images
val_images = dict(_base_.train_set.dataset, pipeline=_base_.test_pipeline)
test_images = _base_.test_dataloader.dataset.dataset

known_train_set = dict(
    type='LongTailed',
    imbalance_ratio=100,
    max_per_class=5900,
    held_out=100,
    dataset=dict(known, dataset=_base_.train_set.dataset),
)

train_dataloader = dict(dataset=dict(known_train_set, _delete_=True))

val_dataloader = dict(
    dataset=dict(
        known_train_set,
        _delete_=True,
        part='held_out',
        dataset=dict(known, dataset=val_images),
    ),
)

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='LongTailed',
        dataset=dict(known, dataset=test_images),
        reference=known_train_set,
    ),
)
