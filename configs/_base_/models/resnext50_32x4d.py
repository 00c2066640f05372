# ResNeXt-50 32x4d of Xie et al. (CVPR 2017) for images of 224x224, as in MMPretrain.
_base_ = './resnet50.py'

model = dict(backbone=dict(type='ResNeXt', groups=32, width_per_group=4))
