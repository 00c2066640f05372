# ResNet-20 of He et al. (CVPR 2016): a quick model for small images.
_base_ = './resnet32_cifar.py'

model = dict(backbone=dict(depth=20))
