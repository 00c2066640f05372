# ResNet-32 on CIFAR-10-LT at 16x16: what all methods and both stages share.
_base_ = ['../models/resnet32_cifar.py', '../datasets/cifar10_lt_16px.py']
