# The test images of fashion_mnist_lt_known.py (8,000), and of the unknown classes Dress
# and Bag (2,000). Thresholds are chosen on its validation split (800) and on those of
# the first 1,000 images of the training files that are of the unknown classes.
_base_ = ['./fashion_mnist_lt_known.py', '../open_set.py']

unknown = dict(type='ClassSubset', classes=['Dress', 'Bag'])

val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=_base_.val_dataloader.dataset,
        unknown=dict(unknown, dataset=dict(_base_.val_images, indices=1000)),
    ),
)
val_evaluator = _base_.open_set_val_evaluator

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=_base_.test_dataloader.dataset,
        unknown=dict(unknown, dataset=_base_.test_images),
    ),
)
test_evaluator = _base_.open_set_test_evaluator
