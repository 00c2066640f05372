# The test images of digits_lt_known.py (400), and of the unknown digits 3 and 6 (100).
# Thresholds are chosen on other images, those that the long tail leaves out.
_base_ = ['./digits_lt_known.py', '../open_set.py']

test_known = _base_.test_dataloader.dataset
test_unknown = dict(test_known, classes=['3', '6'])
val_images = dict(test_known.dataset, split='val')

val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=dict(test_known, dataset=val_images),
        unknown=dict(test_unknown, dataset=val_images),
    ),
)
val_evaluator = _base_.open_set_val_evaluator

test_dataloader = dict(
    dataset=dict(_delete_=True, type='OpenSet', known=test_known, unknown=test_unknown),
)
test_evaluator = _base_.open_set_test_evaluator
