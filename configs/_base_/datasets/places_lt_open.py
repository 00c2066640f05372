# The test split of Places-LT (36,500 images), and its open split (6,600), whose scenes
# are unknown. This is the protocol of the literature: every unknown image, and OLTR's
# threshold on the softmax probability; other scores have none, for lack of a rule.
# To choose thresholds on a fifth of the unknown images, and test on the others, add
#   --cfg-options test_dataloader.dataset.part=test
# to choose_threshold.py and to test.py; also give test_evaluator.0.threshold=auto to the
# latter (1, 2, ... for the other scores).
_base_ = ['./places_lt.py', '../open_set.py']

val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=_base_.val_dataloader.dataset,
        unknown=dict(_base_.val_dataloader.dataset, split='open'),
        part='val',
    ),
)
val_evaluator = _base_.open_set_val_evaluator

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OpenSet',
        known=_base_.test_dataloader.dataset,
        unknown=dict(_base_.test_dataloader.dataset, split='open'),
        part='all',
    ),
)
test_evaluator = [
    dict(_base_.open_set_test_evaluator[0], threshold=0.1),
    *(dict(metric, threshold=None) for metric in _base_.open_set_test_evaluator[1:]),
]
