# ResNet-8, one block per stage: a model that trains in half a minute on a CPU.
_base_ = './resnet32_cifar.py'

model = dict(backbone=dict(depth=8))
