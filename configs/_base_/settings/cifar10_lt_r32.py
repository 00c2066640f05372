# ResNet-32 on CIFAR-10-LT: what all methods and both stages share.
_base_ = ['../models/resnet32_cifar.py', '../datasets/cifar10_lt.py']
