# ResNet-20 on the eight known digits of an open set: what all methods and both stages
# share.
_base_ = ['../models/resnet20_small.py', '../datasets/digits_lt_known.py']

model = dict(head=dict(num_classes=8))
