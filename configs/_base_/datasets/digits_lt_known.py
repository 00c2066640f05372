# Digits-LT without the digits 3 and 6, which digits_lt_open.py shows as unknown ones.
# Training images per class: 124, 80, 51, 21, 14, 5, 3, 2; test: 50 of each class.
_base_ = './digits_lt.py'

data_preprocessor = dict(num_classes=8)

known = dict(type='ClassSubset', classes=['0', '1', '2', '4', '5', '7', '8', '9'])

train_dataloader = dict(
    dataset=dict(known, _delete_=True, dataset=_base_.train_dataloader.dataset),
)
val_dataloader = dict(
    dataset=dict(known, _delete_=True, dataset=_base_.val_dataloader.dataset),
)
test_dataloader = dict(
    dataset=dict(known, _delete_=True, dataset=_base_.test_dataloader.dataset),
)
