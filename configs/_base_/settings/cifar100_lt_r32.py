# ResNet-32 on CIFAR-100-LT: what all methods and both stages share.
_base_ = ['../models/resnet32_cifar.py', '../datasets/cifar100_lt.py']

model = dict(head=dict(num_classes=100))
