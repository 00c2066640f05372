# ResNet-50 on iNaturalist 2018: what all methods and both stages share.
_base_ = ['../models/resnet50.py', '../datasets/inaturalist2018.py']

model = dict(head=dict(num_classes=8142))
