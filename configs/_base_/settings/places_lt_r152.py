# ResNet-152 on Places-LT: what all methods and both stages share.
_base_ = ['../models/resnet152.py', '../datasets/places_lt.py']

model = dict(head=dict(num_classes=365))
