# ResNeXt-50 on ImageNet-LT: what all methods and both stages share.
_base_ = ['../models/resnext50_32x4d.py', '../datasets/imagenet_lt.py']
