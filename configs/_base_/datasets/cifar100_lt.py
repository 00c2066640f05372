# CIFAR-100, of which training keeps 500 .. 5 images per class (imbalance 100).
# MMPretrain downloads it; or unpack cifar-100-python.tar.gz in data/cifar100 yourself.
# For another imbalance, set imbalance_ratio of the train, val and test data sets.
_base_ = './cifar10_lt.py'

data_preprocessor = dict(
    num_classes=100,
    mean=[129.304, 124.070, 112.434],
    std=[68.170, 65.392, 70.418],
)

train_dataloader = dict(dataset=dict(type='CIFAR100LT', data_root='data/cifar100'))
val_dataloader = dict(dataset=dict(type='CIFAR100LT', data_root='data/cifar100'))
test_dataloader = val_dataloader
