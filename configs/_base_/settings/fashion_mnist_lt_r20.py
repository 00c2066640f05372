# ResNet-20 on Fashion-MNIST-LT: what all methods and both stages share.
_base_ = ['../models/resnet20_small.py', '../datasets/fashion_mnist_lt.py']

model = dict(backbone=dict(in_channels=1))
