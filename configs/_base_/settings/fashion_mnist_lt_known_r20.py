# ResNet-20 on eight known classes of Fashion-MNIST-LT: what all methods and both stages
# share.
_base_ = ['../models/resnet20_small.py', '../datasets/fashion_mnist_lt_known.py']

model = dict(backbone=dict(in_channels=1), head=dict(num_classes=8))
