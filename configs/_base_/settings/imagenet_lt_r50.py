# ResNet-50 on ImageNet-LT: what all methods and both stages share.
_base_ = ['../models/resnet50.py', '../datasets/imagenet_lt.py']
