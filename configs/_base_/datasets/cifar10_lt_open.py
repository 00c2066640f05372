# Test images of CIFAR-10 (8,000), and of CIFAR-100 (8,000), whose classes are unknown:
# the two have no class in common. Thresholds are chosen on the other 2,000 test images
# of each (CIFAR-10's first, in the official order, which is random), since there is no
# validation split; so top-1 is not that of the whole split.
_base_ = ['./cifar10_lt.py', '../open_set.py']

known_images = _base_.test_dataloader.dataset
unknown_images = dict(known_images, type='CIFAR100LT', data_root='data/cifar100')

val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=dict(known_images, indices=2000),
        unknown=unknown_images,
        part='val',
    ),
)
val_evaluator = _base_.open_set_val_evaluator

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=dict(known_images, indices=-8000),
        unknown=unknown_images,
        part='test',
    ),
)
test_evaluator = _base_.open_set_test_evaluator
