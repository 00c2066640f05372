# ResNet-8 on small Fashion-MNIST-LT: what all methods and both stages share.
_base_ = ['../models/resnet8_small.py', '../datasets/fashion_mnist_lt_small.py']

model = dict(backbone=dict(in_channels=1))
