# ResNet-8 on small CIFAR-10-LT: what all methods and both stages share.
_base_ = ['../models/resnet8_small.py', '../datasets/cifar10_lt_small.py']
