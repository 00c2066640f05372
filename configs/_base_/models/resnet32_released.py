# What the authors' code of CC-SAM calls ResNet-32: its last stage lacks a block, which
# makes 30 layers (390,170 parameters with 10 classes).
_base_ = './resnet32_cifar.py'

model = dict(backbone=dict(depth=30, stage_blocks=(5, 5, 4)))
